"""Instances of JSON Schemas, as small and as large as a schema allows. Knows what the schemas at hand use, no more."""

from typing import Any

PATTERNS = {
    "^[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
    "^pkg:": "pkg:maven/com.example/thing@1.0.0",
    "^[-A-Za-z0-9+/]*={0,3}$": "c2lnbmF0dXJl",
    "^[0-9a-f]+$": "00ff",
}
UNDECLARED = "undeclared"
"""A property that stands wherever an object is open to what its schema does not declare."""
MISSPELT = "additonalProperties"  # so a published schema has it, and is open where it was meant to be closed
SAYING_NOTHING = {MISSPELT, "$schema", "contentEncoding", "contentMediaType", "default", "description"}
KNOWN = SAYING_NOTHING | {
    "additionalProperties",
    "contains",
    "enum",
    "items",
    "pattern",
    "properties",
    "required",
    "type",
}


def instance(schema: dict[str, Any], *, everything: bool) -> Any:
    """A valid value: with every property and one item in each array, or with what is required only."""
    assert schema.keys() <= KNOWN, f"the generator does not know {sorted(schema.keys() - KNOWN)}"
    if "enum" in schema:
        return schema["enum"][-1 if everything else 0]
    match schema.get("type", "object" if "properties" in schema else None):
        case "object":
            required = schema.get("required", [])
            return {
                name: instance(each, everything=everything)
                for name, each in schema.get("properties", {}).items()
                if everything or name in required
            } | ({UNDECLARED: "text"} if everything and schema.get("additionalProperties", True) else {})
        case "array":
            if "contains" in schema:
                demanded = schema["contains"]["properties"]
                item = instance(schema["items"], everything=everything)
                return [item | {name: instance(each, everything=everything) for name, each in demanded.items()}]
            return [instance(schema["items"], everything=True)] if everything else []
        case "string":
            return PATTERNS[schema["pattern"]] if "pattern" in schema else "text"
        case "integer":
            return 1_700_000_000_000
        case None:
            return {"any": ["value", 1, None]}
    raise AssertionError(f"the generator does not know {schema!r:.80}")
