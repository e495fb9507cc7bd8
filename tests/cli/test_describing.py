"""``storied openapi`` describes the services as they would be served."""

from pathlib import Path

from tests.cli.conftest import Shell

SHOP = "storied.examples.shop:app"


def test_without_files_the_settings_are_the_usual_ones(shell: Shell) -> None:
    """And nobody is asked who they are."""
    document = shell("openapi", SHOP, "--json").json
    assert document["security"] == []
    assert "securitySchemes" not in document["components"]


def test_keys_are_described_as_a_credential(shell: Shell, tmp_path: Path) -> None:
    """A client that is generated knows how to show one."""
    keys = tmp_path / "keys.toml"
    assert shell("keys", "new", "anna", "--file", str(keys)).code == 0
    document = shell("openapi", SHOP, "--keys", str(keys), "--json").json
    assert document["components"]["securitySchemes"]["apiKey"]["name"] == "X-API-Key"
    assert document["paths"]["/orders"]["post"]["security"] == [{"apiKey": []}, {"bearer": []}]
    assert "security" not in document


def test_settings_of_a_file_are_described(shell: Shell, tmp_path: Path) -> None:
    """Those that change what is taken and answered."""
    settings = tmp_path / "services.toml"
    settings.write_text('page_limit = 7\nkept_headers = ["x-device"]\nrate = 5.0\n', encoding="utf-8")
    document = shell("openapi", SHOP, "--config", str(settings), "--json").json
    [limit] = [one for one in document["paths"]["/orders"]["get"]["parameters"] if one.get("name") == "limit"]
    assert limit["schema"]["maximum"] == 7
    assert "x-device" in {one.get("name") for one in document["paths"]["/orders"]["post"]["parameters"]}
    assert "429" in document["paths"]["/orders"]["get"]["responses"]


def test_rules_without_a_verifier_are_no_open_door(shell: Shell) -> None:
    """Nothing is said of credentials then: they are named where the services are started."""
    document = shell("openapi", "tests.cli.guarded:unverified", "--json").json
    assert "security" not in document
