"""Package structure: imports through public APIs only, no import cycles, unique public class names."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import vlm_autodrive

NAME = "vlm_autodrive"
PACKAGE = Path(vlm_autodrive.__file__).parent
MODULES = {
    ".".join((NAME, *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
SUBPACKAGES = {f"{NAME}.{path.parent.name}" for path in PACKAGE.glob("*/__init__.pyi")}


def imports_of(module: str) -> Iterator[tuple[str, str]]:
    """What a module imports from the package, for types and inside functions too: the module, and the name from it."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports by a relative path"
            found = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        yield from ((source, name) for source, name in found if source.split(".")[0] == NAME)


def subpackage_of(module: str) -> str:
    """The module's subpackage, such as ``vlm_autodrive.clips``; a module directly below the package is its own."""
    return ".".join(module.split(".")[:2])


def exports_of(package: str) -> dict[str, str]:
    """The names that a subpackage's stub exports, with the modules that define them."""
    stub = MODULES[package].with_suffix(".pyi")
    return {
        alias.name: f"{package}.{node.module}" if node.module else f"{package}.{alias.name}"
        for node in ast.parse(stub.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_subpackages_are_imported_through_their_public_api_only():
    exports = {package: exports_of(package) for package in SUBPACKAGES}
    private_imports = [
        f"{module} imports {name} from {source}"
        for module in MODULES
        for source, name in imports_of(module)
        if subpackage_of(source) in SUBPACKAGES and subpackage_of(source) != subpackage_of(module)
        if source not in SUBPACKAGES or name not in exports[source]
    ]
    assert private_imports == []


def test_each_public_class_name_is_unique():
    places = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def test_there_are_no_import_cycles():
    """Stubs resolve lazily, so importing a name from a subpackage counts as importing the module that defines it."""
    exports = {package: exports_of(package) for package in SUBPACKAGES}
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for module in MODULES:
        for source, name in imports_of(module):
            if source in SUBPACKAGES and source != subpackage_of(module):
                graph[module].add(exports[source][name])
            else:
                inner = f"{source}.{name}"
                graph[module].add(inner if inner in MODULES else source)
    # Kahn's algorithm: modules that import nothing more are taken away, until none is left or the rest is a cycle.
    while free := {module for module, targets in graph.items() if not targets}:
        graph = {module: targets - free for module, targets in graph.items() if module not in free}
    assert graph == {}
