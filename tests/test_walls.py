"""The walls of the house: which room may import which, and what every room keeps to."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent

# A room may import itself and the rooms named. A deeper name is a room of its own.
ROOMS = {
    "jaxlatent.types": [],
    "jaxlatent.texts": [],
    "jaxlatent.files": [],
    "jaxlatent.guesses": [],
    "jaxlatent.collectives": [],
    "jaxlatent.parallel": ["jaxlatent.collectives"],
    "jaxlatent.batching": ["jaxlatent.parallel", "jaxlatent.collectives"],
    "jaxlatent.jobs": ["jaxlatent.files", "jaxlatent.collectives"],
    "jaxlatent.numerics": [
        "jaxlatent.types",
        "jaxlatent.parallel",
        "jaxlatent.collectives",
    ],
    "jaxlatent.edits": ["jaxlatent.types", "jaxlatent.texts", "jaxlatent.numerics"],
    "jaxlatent.data": ["jaxlatent.types", "jaxlatent.files"],
    "jaxlatent.networks": ["jaxlatent.types"],
    "jaxlatent.generators": [
        "jaxlatent.types",
        "jaxlatent.numerics",
        "jaxlatent.parallel",
        "jaxlatent.collectives",
        "jaxlatent.batching",
    ],
    "jaxlatent.generators.rendered": [
        "jaxlatent.types",
        "jaxlatent.numerics",
        "jaxlatent.edits",
        "jaxlatent.generators",
        "jaxlatent.data",
    ],
    "jaxlatent.latents": ["jaxlatent.types", "jaxlatent.generators"],
    "jaxlatent.editing": [
        "jaxlatent.types",
        "jaxlatent.edits",
        "jaxlatent.latents",
        "jaxlatent.generators",
        "jaxlatent.batching",
    ],
    "jaxlatent.jacobians": [
        "jaxlatent.types",
        "jaxlatent.numerics",
        "jaxlatent.parallel",
        "jaxlatent.collectives",
        "jaxlatent.generators",
        "jaxlatent.latents",
    ],
    "jaxlatent.gram_folders": [
        "jaxlatent.texts",
        "jaxlatent.files",
        "jaxlatent.jobs",
        "jaxlatent.generators",
        "jaxlatent.jacobians",
    ],
    "jaxlatent.checkpoint": [
        "jaxlatent.types",
        "jaxlatent.texts",
        "jaxlatent.files",
        "jaxlatent.edits",
        "jaxlatent.generators",
    ],
    "jaxlatent.network_files": [
        "jaxlatent.types",
        "jaxlatent.texts",
        "jaxlatent.files",
        "jaxlatent.networks",
        "jaxlatent.checkpoint",
    ],
    "jaxlatent.learning": ["jaxlatent.types", "jaxlatent.edits"],
    "jaxlatent.training": [
        "jaxlatent.types",
        "jaxlatent.learning",
        "jaxlatent.files",
        "jaxlatent.parallel",
        "jaxlatent.collectives",
    ],
    "jaxlatent.methods": [
        "jaxlatent.types",
        "jaxlatent.parallel",
        "jaxlatent.collectives",
        "jaxlatent.edits",
        "jaxlatent.numerics",
        "jaxlatent.networks",
        "jaxlatent.generators",
        "jaxlatent.latents",
        "jaxlatent.batching",
        "jaxlatent.editing",
        "jaxlatent.batching",
        "jaxlatent.jacobians",
        "jaxlatent.evaluation",
        "jaxlatent.learning",
        "jaxlatent.training",
    ],
    "jaxlatent.evaluation": [
        "jaxlatent.types",
        "jaxlatent.files",
        "jaxlatent.edits",
        "jaxlatent.numerics",
        "jaxlatent.networks",
        "jaxlatent.data",
        "jaxlatent.generators",
        "jaxlatent.latents",
        "jaxlatent.editing",
        "jaxlatent.batching",
    ],
    # what is measured by networks that are trained for it
    "jaxlatent.evaluation.naturalness": [
        "jaxlatent.types",
        "jaxlatent.edits",
        "jaxlatent.networks",
        "jaxlatent.latents",
        "jaxlatent.batching",
        "jaxlatent.learning",
        "jaxlatent.training",
    ],
    "jaxlatent.evaluation.direction_codes": [
        "jaxlatent.types",
        "jaxlatent.edits",
        "jaxlatent.evaluation",
        "jaxlatent.networks",
        "jaxlatent.latents",
        "jaxlatent.batching",
        "jaxlatent.learning",
        "jaxlatent.training",
    ],
    "jaxlatent.evaluation.factor_reading": [
        "jaxlatent.types",
        "jaxlatent.data",
        "jaxlatent.networks",
        "jaxlatent.latents",
        "jaxlatent.batching",
        "jaxlatent.learning",
        "jaxlatent.training",
    ],
    "jaxlatent.gallery": ["jaxlatent.files", "jaxlatent.texts"],
    "jaxlatent.gallery.drawing": [
        "jaxlatent.gallery",
        "jaxlatent.collectives",
        "jaxlatent.edits",
        "jaxlatent.generators",
        "jaxlatent.latents",
        "jaxlatent.editing",
    ],
    "jaxlatent.gallery.comparing": [
        "jaxlatent.gallery",
        "jaxlatent.collectives",
        "jaxlatent.gallery.drawing",
        "jaxlatent.edits",
        "jaxlatent.generators",
        "jaxlatent.editing",
        "jaxlatent.evaluation",
    ],
    "jaxlatent.comparison": [
        "jaxlatent.types",
        "jaxlatent.edits",
        "jaxlatent.numerics",
        "jaxlatent.networks",
        "jaxlatent.generators",
        "jaxlatent.latents",
        "jaxlatent.evaluation",
        "jaxlatent.methods",
    ],
    "jaxlatent.comparison.demo": [
        "jaxlatent.comparison",
        "jaxlatent.generators",
        "jaxlatent.latents",
        "jaxlatent.editing",
        "jaxlatent.evaluation",
        "jaxlatent.gallery",
    ],
    "jaxlatent.runs": [
        "jaxlatent.files",
        "jaxlatent.checkpoint",
        "jaxlatent.generators",
    ],
    "jaxlatent.no_source": [
        "jaxlatent.checkpoint",
        "jaxlatent.data",
        "jaxlatent.runs",
    ],
    "jaxlatent.loading": [
        "jaxlatent.texts",
        "jaxlatent.no_source",
        "jaxlatent.types",
        "jaxlatent.files",
        "jaxlatent.guesses",
        "jaxlatent.latents",
        "jaxlatent.checkpoint",
        "jaxlatent.evaluation",
        "jaxlatent.generators",
        "jaxlatent.networks",
        "jaxlatent.network_files",
        "converters",
    ],
    "jaxlatent.describing": [
        "jaxlatent.network_files",
        "jaxlatent.checkpoint",
        "jaxlatent.evaluation",
        "jaxlatent.generators",
        "jaxlatent.loading",
        "converters",
    ],
    "jaxlatent.cli": ["jaxlatent", "converters"],
    "converters": [
        "jaxlatent.types",
        "jaxlatent.guesses",
        "jaxlatent.texts",
        "jaxlatent.edits",
        "jaxlatent.files",
        "jaxlatent.generators",
        "jaxlatent.networks",
        "jaxlatent.checkpoint",
    ],
}
# Tables of contents and the way into the command line belong to no room.
DOORS = {"jaxlatent": ["jaxlatent"], "jaxlatent.__main__": ["jaxlatent.cli"]}

# Imported inside functions alone: they take long, and not every installation has them.
LAZY = ("torch", "orbax", "sklearn", "PIL", "tyro", "tqdm")


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {
    name_of(path): path
    for package in ("jaxlatent", "converters")
    for path in sorted((ROOT / package).rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
each_module = pytest.mark.parametrize("name", MODULES)


def below(name, room):
    return name == room or name.startswith(f"{room}.")


def room_of(name):
    """The innermost room that a module is in."""
    return max((room for room in ROOMS if below(name, room)), key=len, default=name)


def imports(tree):
    """Every module that a tree imports, wherever and whenever."""
    for node in ast.walk(tree):
        yield from found_in(node)


def found_in(node):
    """The modules that one statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert not node.level, "relative imports hide a room's name"
        # what is imported may be a module or a name in one
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            yield full if full in MODULES else node.module


def crossings(name, tree):
    """The modules that `name` imports through a wall."""
    room = room_of(name)
    allowed = DOORS[name] if name in DOORS else [room, *ROOMS[room]]
    return sorted(
        {
            module
            for module in imports(tree)
            if module.split(".")[0] in ("jaxlatent", "converters")
            and not any(below(module, other) for other in allowed)
        }
    )


@each_module
def test_every_module_is_in_a_room(name):
    assert name in DOORS or room_of(name) in ROOMS


@each_module
def test_no_import_goes_through_a_wall(name):
    assert crossings(name, TREES[name]) == []


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("jaxlatent.types", "import jaxlatent.files", ["jaxlatent.files"]),
        ("jaxlatent.types", "import jaxlatent", ["jaxlatent"]),
        ("jaxlatent.types", "from jaxlatent import files", ["jaxlatent.files"]),
        ("jaxlatent.types", "import jax, numpy", []),
        ("jaxlatent.methods.sefa", "from jaxlatent.generators import base", []),
        (
            "jaxlatent.methods.sefa",
            "def f():\n  from jaxlatent.gallery import page",
            ["jaxlatent.gallery.page"],
        ),
        (
            "jaxlatent.gallery.page",
            "if TYPE_CHECKING:\n  from jaxlatent.checkpoint import load_edit",
            ["jaxlatent.checkpoint"],
        ),
        ("jaxlatent.generators.ops", "import jaxlatent.data", ["jaxlatent.data"]),
        ("jaxlatent.generators.rendered", "from jaxlatent.data import faces", []),
        ("jaxlatent.generators.base", "import converters", ["converters"]),
        ("converters.plans", "from jaxlatent import Generator", ["jaxlatent"]),
        ("jaxlatent.cli.session", "from converters import load", []),
    ],
)
def test_the_walls_are_walls(name, text, found):
    assert crossings(name, ast.parse(text)) == found


@each_module
def test_no_wall_is_passed_by_a_re_export(name):
    if MODULES[name].name == "__init__.py":
        return
    passed = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == alias.asname and not below(name, room_of(node.module))
    ]
    assert passed == []


def circle(graph):
    """A way along a graph that ends where it began, as a list of names; or none."""
    done, way = set(), []

    def visit(name):
        if name in way:
            return way[way.index(name) :]
        if name in done or name not in graph:
            return []
        way.append(name)
        for other in sorted(graph[name]):
            if found := visit(other):
                return found
        way.pop()
        done.add(name)
        return []

    return next(filter(None, map(visit, sorted(graph))), [])


def test_no_module_imports_itself_by_way_of_others():
    graph = {
        name: set(imports(TREES[name])) - {name}
        for name in MODULES
        # a table of contents is imported by nobody who is in it
        if name not in DOORS
    }
    assert circle(graph) == []


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c"]),
    ],
)
def test_circles_are_found(graph, found):
    assert circle(graph) == found


@each_module
def test_torch_is_imported_nowhere(name):
    assert "torch" not in {module.split(".")[0] for module in imports(TREES[name])}


def at_import(tree):
    """What runs when a module is imported: everything outside its functions."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        for_types = (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if not (for_types or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield node
            pending.extend(ast.iter_child_nodes(node))


@each_module
def test_slow_libraries_and_converters_are_imported_inside_functions(name):
    lazy = set() if below(name, "jaxlatent.cli") else set(LAZY)
    lazy |= {"converters"} if below(name, "jaxlatent") else set()
    early = {module for node in at_import(TREES[name]) for module in found_in(node)}
    assert not {module.split(".")[0] for module in early} & lazy


def test_importing_the_library_loads_no_slow_library():
    code = "import sys, jaxlatent; print(*{n.split('.')[0] for n in sys.modules})"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
        cwd=ROOT,
    )
    loaded = set(run.stdout.split())
    assert "jaxlatent" in loaded
    assert not loaded & {*LAZY, "converters"}


@each_module
def test_the_library_does_not_print(name):
    if below(name, "jaxlatent.cli"):
        return
    calls = [node.func for node in ast.walk(TREES[name]) if isinstance(node, ast.Call)]
    assert "print" not in {call.id for call in calls if isinstance(call, ast.Name)}
    streams = [
        node
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr")
    ]
    assert not streams


def public(tree):
    """Public functions, classes and methods, with the names they are found under."""
    pending = [("", tree)]
    while pending:
        prefix, owner = pending.pop()
        for node in owner.body:
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not overloaded(node)
            ):
                yield f"{prefix}{node.name}", node
                if isinstance(node, ast.ClassDef):
                    pending.append((f"{prefix}{node.name}.", node))


def overloaded(node):
    return any(
        isinstance(one, ast.Name) and one.id == "overload"
        for one in node.decorator_list
    )


@each_module
def test_everything_public_is_documented_and_annotated(name):
    tree = TREES[name]
    assert ast.get_docstring(tree) or name == "jaxlatent.__main__"
    for label, node in public(tree):
        assert ast.get_docstring(node), label
        if not isinstance(node, ast.ClassDef):
            assert node.returns is not None, label
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            bare = {one.arg for one in arguments if one.annotation is None}
            assert bare <= {"self", "cls"}, label


@each_module
def test_no_module_is_longer_than_a_sitting(name):
    assert len(MODULES[name].read_text().splitlines()) <= 500


def test_the_table_of_contents_is_nothing_else():
    for node in TREES["jaxlatent"].body[1:]:
        assert isinstance(node, ast.ImportFrom)
        # spelled as a re-export, for type checkers
        assert all(alias.name == alias.asname for alias in node.names)
