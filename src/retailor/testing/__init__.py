"""Contract tests and toy models, shipped so that third parties can test their own parts with them.

Subclass a contract, give it a fixture or a method, and its tests are yours:
`class TestMine(TaskContract): ...`. Needs pytest, and nothing else that Retailor does not need.
"""
