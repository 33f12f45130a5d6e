"""The house itself: rooms are entered by their faces, modules import in no circle, and a class name means one thing."""

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
FACES = {f"{NAME}.{path.parent.name}" for path in PACKAGE.glob("*/__init__.pyi")}


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


def room_of(module: str) -> str:
    """The module's room, such as ``vlm_autodrive.clips``; a module beside the rooms is its own."""
    return ".".join(module.split(".")[:2])


def exports_of(face: str) -> dict[str, str]:
    """The names of a face, with the modules that they lie in."""
    stub = MODULES[face].with_suffix(".pyi")
    return {
        alias.name: f"{face}.{node.module}" if node.module else f"{face}.{alias.name}"
        for node in ast.parse(stub.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_a_room_is_entered_by_its_face_alone():
    exports = {face: exports_of(face) for face in FACES}
    past_the_face = [
        f"{module} imports {name} from {source}"
        for module in MODULES
        for source, name in imports_of(module)
        if room_of(source) in FACES and room_of(source) != room_of(module)
        if source not in FACES or name not in exports[source]
    ]
    assert past_the_face == []


def test_each_public_class_name_is_unique():
    places = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


def test_modules_import_one_another_in_no_circle():
    """A face imports nothing until it is asked, so a name from it counts as an import of the module that holds it."""
    exports = {face: exports_of(face) for face in FACES}
    graph: dict[str, set[str]] = {module: set() for module in MODULES}
    for module in MODULES:
        for source, name in imports_of(module):
            if source in FACES and source != room_of(module):
                graph[module].add(exports[source][name])
            else:
                inner = f"{source}.{name}"
                graph[module].add(inner if inner in MODULES else source)
    # Kahn's algorithm: modules that import nothing more are taken away, until none is left or the rest is a circle.
    while free := {module for module, targets in graph.items() if not targets}:
        graph = {module: targets - free for module, targets in graph.items() if module not in free}
    assert graph == {}
