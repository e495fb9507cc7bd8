"""What tests need: clocks, waiting, and the contract suites that every engine passes."""
