"""Hostile values for pickles: code, abuse of the machine, lies and bombs.

Each generator yields what a refusal must say beside the value. The values are put into
every container that holds a pickle.
"""

import pathlib
import struct

import numpy as np
import writer
from writer import Name, Persistent, Raw, View, call, pickled


def code(marker):
    """Values whose unpickling runs code or opens files: class, name, value."""
    command, source = f"touch {marker}", f"open({marker!r}, 'w').close()"
    system, imported = Name("posix", "system"), call("importlib.import_module", "os")
    yield "a", "posix.system", call("posix.system", command)
    yield "a", "os.system", call("os.system", command)
    yield "a", "subprocess.Popen", call("subprocess.Popen", ["touch", marker])
    yield "a", "subprocess.getoutput", call("subprocess.getoutput", command)
    yield "a", "builtins.eval", call("builtins.eval", source)
    yield "a", "builtins.exec", call("builtins.exec", source)
    compiled = call("builtins.compile", source, "x", "exec")
    yield "a", "builtins.compile", call("builtins.exec", compiled)
    yield "a", "__builtin__.eval", call("__builtin__.eval", source)
    yield "a", "newobj", call("subprocess.Popen", ["touch", marker], opcode=b"\x81")

    getattr_ = call("builtins.getattr", imported, "system")
    yield "b", "import_module", writer.Call(getattr_, (command,))
    located = call("pydoc.locate", "os.system")
    yield "b", "pydoc.locate", writer.Call(located, (command,))
    resolved = call("pkgutil.resolve_name", "os:system")
    yield "b", "resolve_name", writer.Call(resolved, (command,))
    getter = writer.Call(call("operator.attrgetter", "system"), (imported,))
    yield "b", "attrgetter", writer.Call(getter, (command,))
    caller = call("operator.methodcaller", "system", command)
    yield "b", "methodcaller", writer.Call(caller, (imported,))
    partial = call("functools.partial", system, command)
    yield "b", "partial", writer.Call(partial)
    yield "b", "map", call("builtins.list", call("builtins.map", system, [command]))

    inner = pickled(call("posix.system", command))
    yield "d", "pickle.loads", call("pickle.loads", inner)
    yield "d", "_pickle.loads", call("_pickle.loads", inner)
    stream = call("_io.BytesIO", writer.legacy_bytes(call("posix.system", command)))
    yield "d", "torch.load", call("torch.load", stream)
    yield "d", "numpy.load", call("numpy.load", stream)

    yield "e", "open", call("builtins.open", marker, "w")
    yield "e", "FileIO", call("_io.FileIO", marker, "w")
    yield "e", "copyfile", call("shutil.copyfile", __file__, marker)
    url = pathlib.Path(__file__).as_uri()
    yield "e", "urlretrieve", call("urllib.request.urlretrieve", url, marker)
    yield "e", "FileHandler", call("logging.FileHandler", marker)
    yield "e", "socket", call("socket.create_connection", ("127.0.0.1", 9))
    spawned = call("asyncio.create_subprocess_shell", command)
    yield "e", "asyncio", call("asyncio.run", spawned)

    yield "f", "runstring", call("numpy.testing._private.utils.runstring", source, {})
    yield "f", "f2py", call("numpy.f2py.crackfortran.myeval", source)
    yield "f", "memmap", call("numpy.memmap", marker, "u1", "w+", 0, (1,))
    yield "f", "save", call("numpy.save", marker, 0)
    yield "f", "fromfile", call("numpy.fromfile", __file__)

    patched = call("importlib.import_module", "pickletools")
    yield "h", "patch pickletools", call("builtins.setattr", patched, "genops", None)
    patched = call("importlib.import_module", "converters.containers.rebuilding")
    yield "h", "patch reader", call("builtins.setattr", patched, "GLOBALS", {})
    yield "h", "picklescan", call("picklescan.scanner.scan_file_path", marker)
    yield "h", "fickling", call("fickling.hook.remove_hook")


# Of gadgets whose first global would only be left out.
REFUSED = {
    "import_module": "importlib.import_module",
    "partial": "posix.system",
    "map": "builtins.map",
}

_FUNCTION = b"ctorch._utils\n_rebuild_parameter\n"


def _put(index):
    # Offset by what the assembler's own memo does not reach.
    return b"r" + struct.pack("<I", 900 + index)


def _get(index):
    return b"j" + struct.pack("<I", 900 + index)


def _word(text):
    return b"\x8c" + bytes([len(text)]) + text.encode()


def confusions():
    """Opcodes that abuse the machine: name, value, what the refusal says."""
    remembered = _word("posix") + _put(0) + b"0" + _get(0) + _word("system") + b"\x93"
    not_allowed = "global posix.system is not allowed"
    yield "popped module", Raw(remembered), "opcode POP is not allowed"
    kept = b"(" + _word("posix") + _put(0) + _get(0) + _word("system") + b"\x93t"
    yield "remembered module", Raw(kept), not_allowed
    yield "number as module", Raw(b"K\x01" + _word("x") + b"\x93"), "not text"
    overwritten = _word("collections") + _put(0) + _word("posix") + _put(0)
    yield "overwritten memo", Raw(b"(" + overwritten + b"t"), "two values in one place"
    mixed = _word("a") + b"\x94" + _word("b") + b"r\x00\x00\x00\x00"
    yield "memoize and put", Raw(b"(" + mixed + b"t"), "two values in one place"
    yield "empty memo", Raw(_get(0)), "recalls what it never stored"
    yield "dotted name", call("collections.OrderedDict.fromkeys"), "fromkeys is not all"
    yield "control character", Name("os\x07", "system"), "'os\\x07.system' is not"
    state = b"}" + _word("__defaults__") + b")sb"
    written = "writes attributes of a"
    yield "build function", Raw(_FUNCTION + state), f"{written} Constructor"
    yield "build storage type", Raw(b"ctorch\nFloatStorage\n" + state), written
    yield "build list", Raw(b"]" + state), f"{written} list"
    yield "build dict", Raw(b"}K\x01b"), "attributes of a dict"
    yield "call text", Raw(_word("posix.system") + b")R"), "calls a str"
    yield "call with list", Raw(_FUNCTION + b"]R"), "calls a Constructor"
    yield "call tag", Raw(b"cnumpy\nndarray\n)R"), "calls a object"
    for name, opcodes in {
        "INST": b"(iposix\nsystem\n",
        "OBJ": b"(cbuiltins\nset\no",
        "NEWOBJ_EX": _FUNCTION + b")}\x92",
        "EXT1": b"\x82\x01",
        "EXT4": b"\x84\x01\x00\x00\x00",
        "DUP": b"N2",
        "FROZENSET": b"(\x91",
        "NEXT_BUFFER": b"\x97",
        "PERSID": b"Pstorage\n",
    }.items():
        yield name, Raw(opcodes), f"opcode {name} is not allowed"
    yield "odd items", Raw(b"}(K\x01K\x02K\x03u"), "a key without a value"
    yield "items of list", Raw(b"](K\x01K\x02u"), "as if it were a dict"
    yield "append to dict", Raw(b"}Na"), "as if it were a list"
    yield "list as key", Raw(b"}]Ns"), "a list is not allowed as a key"
    yield "tuple as key", Raw(b"})Ns"), "a tuple is not allowed as a key"
    yield "list in set", Raw(b"\x8f(]\x90"), "a list is not allowed as a key"
    yield "repeated key", Raw(b"}(K\x01NK\x01Nu"), "the key 1 is stored twice"
    repeated = call("collections.OrderedDict", [("w", 1), ("w", 2)])
    yield "repeated pair", repeated, "the key 'w' is stored twice"
    yield "underflow", Raw(b"(\x86t"), "takes more values than it made"
    yield "no mark", Raw(b"t" * 20), "takes more values than it made"
    yield "open mark", Raw(b"(N"), "the pickle"
    yield "unknown opcode", Raw(b"\xff"), "a damaged pickle"
    yield "bad number", Raw(b"Ione\n"), "a damaged pickle"
    yield "bad text", Raw(b"X\x01\x00\x00\x00\xff"), "a damaged pickle"
    yield "bad escape", Raw(b"S'\\q\xff'\n"), "a damaged pickle"
    wrong = "wrong arguments for"
    yield "bad dict", call("collections.OrderedDict", 1), wrong
    yield "bad set", call("builtins.set", 1), wrong
    yield "bad size", call("torch.Size", 1), wrong
    yield "bad device", call("torch.device", 1), "no name and number"
    yield "bad parameter", call("torch._utils._rebuild_parameter"), wrong
    yield "codec", call("_codecs.encode", "x", "rot13"), "only latin-1"
    yield "wide text", call("_codecs.encode", "€", "latin1"), "text where bytes"
    namespace = call("argparse.Namespace", state=[1])
    yield "bad namespace", namespace, "attributes are not a dict"
    yield "class as value", Name("collections", "OrderedDict"), "where data bel"


def numpy_lies():
    """NumPy values that are not what they claim: name, value, the refusal."""
    dtype = call("numpy.dtype", "f4", False, True)

    def array(*state):
        start = (Name("numpy", "ndarray"), (0,), b"b")
        return call("numpy.core.multiarray._reconstruct", *start, state=state)

    yield "object dtype", call("numpy.dtype", "O8", False, True), "dtype 'O8' is not"
    yield "text dtype", call("numpy.dtype", "U9", False, True), "dtype 'U9' is not"
    big = call("numpy.dtype", "f4", False, True, state=(3, ">", None, None, None, 1))
    yield "big-endian", big, "big-endian NumPy data"
    fields = (3, "|", None, ("a",), {"a": 1}, 4)
    record = call("numpy.dtype", "f4", False, True, state=fields)
    yield "fields", record, "dtype with fields"
    yield "object array", array(1, (1,), dtype, False, [1]), "a list where bytes"
    yield "short array", array(1, (9,), dtype, False, b"1234"), "does not fit"
    yield "huge array", array(1, (2**62, 9), dtype, False, b""), "too large"
    yield "no dtype", array(1, (1,), "f4", False, b"1234"), "not a plain array"
    scalar = call("numpy.core.multiarray.scalar", dtype, b"12345678")
    yield "long scalar", scalar, "does not fit"
    scalar = call("numpy.core.multiarray.scalar", Name("numpy", "ndarray"), b"1")
    yield "bad scalar", scalar, "scalar without a dtype"


def bombs():
    """Values that cost far more than their bytes: name, value, the refusal."""
    damaged = "a damaged pickle"
    huge = struct.pack("<Q", 2**62)
    yield "long of a megabyte", Raw(b"\x8b\x00\x00\x10\x00" + b"\x7f" * 2**20), "bits"
    yield "long announced", Raw(b"\x8b\xff\xff\xff\x7f"), damaged
    yield "long negative", Raw(b"\x8b\xff\xff\xff\xff"), damaged
    yield "digits", Raw(b"I" + b"9" * 10**6 + b"\n"), damaged
    yield "bytes announced", Raw(b"\x8e" + huge), damaged
    yield "text announced", Raw(b"\x8d" + huge), damaged
    yield "bytearray announced", Raw(b"\x96" + huge), damaged
    yield "string negative", Raw(b"T\xff\xff\xff\xff"), damaged
    yield "frame announced", Raw(b"\x95" + huge + b"N"), "inside a pickle frame"
    far = b"(Nr\xff\xff\xff\xffctorch\nload\nt"
    yield "memo index", Raw(far), "global torch.load is not"
    deep = "nested over 100 levels deep"
    yield "deep lists", Raw(b"]" * 10**5 + b"a" * (10**5 - 1)), deep
    yield "deep tuples", Raw(b")" + b"\x85" * 10**5), deep
    yield "deep dicts", Raw(b"}K\x01" * 10**5 + b"N" + b"s" * 10**5), deep
    tuples = b"}" + b")" + b"\x85" * 10**5
    yield "deep key", Raw(tuples + b"Ns"), "a tuple is not allowed as a key"
    own = b"]" + _put(0) + _get(0) + b"a"
    yield "list in itself", Raw(own), deep
    levels = (b"](" + _get(i) * 10 + b"e" + _put(i + 1) for i in range(30))
    laughs = b"(]" + _put(0) + b"".join(levels) + b"t"
    yield "billion laughs", Raw(laughs), "far more values than the file"
    text = b"(X\x00\x00\x01\x00" + bytes(1 << 16) + _put(0) + _get(0) * 1000 + b"t"
    yield "repeated text", Raw(text), "over 8 times the file's size"
    yield "a million sets", Raw(b"(" + b"\x8f" * 10**6 + b"t"), "500000 operations"


_FLAT = np.arange(4, dtype=np.float32)


def lying_views():
    """Tensors that exceed a storage of four elements: name, view, the refusal."""
    more, bad, shape = "needs more than its storage", "bad", "no tuple of sizes"
    yield "stride bomb", View(_FLAT, 0, (2**18, 2**18), (0, 0)), "over 8 times the"
    yield "repeated", View(_FLAT, 0, (2**23,), (0,)), "over 8 times the file's size"
    yield "too many", View(_FLAT, 0, (5,), (1,)), more
    yield "too far", View(_FLAT, 0, (2, 2), (3, 1)), more
    yield "offset beyond", View(_FLAT, 4, (1,), (1,)), more
    yield "offset huge", View(_FLAT, 2**62, (1,), (1,)), more
    yield "offset negative", View(_FLAT, -1, (1,), (1,)), bad
    yield "offset float", View(_FLAT, 0.5, (1,), (1,)), bad
    yield "stride negative", View(_FLAT, 3, (2,), (-1,)), "bad strides"
    yield "stride overflow", View(_FLAT, 0, (2,), (2**64,)), "bad strides"
    yield "strides missing", View(_FLAT, 0, (2, 2), (1,)), "bad strides"
    yield "size negative", View(_FLAT, 0, (-1, 4), (4, 1)), shape
    yield "size float", View(_FLAT, 0, (4.0,), (1,)), shape
    yield "size boolean", View(_FLAT, 0, (True,), (1,)), shape
    yield "shape list", View(_FLAT, 0, [4], (1,)), shape
    yield "shape overflow", View(_FLAT, 0, (2**40, 2**40), (0, 0)), "too large"
    yield "empty overflow", View(_FLAT, 0, (0, 2**62, 8), (0, 0, 0)), "too large"
    yield "rank", View(_FLAT, 0, (1,) * 100, (1,) * 100), "too large"
    boolean = np.array([7, 0], np.uint8).view(np.bool_)
    yield "boolean seven", View(boolean, 0, (2,), (1,)), "neither 0 nor 1"


def other_tensors():
    """Tensors that are not dense arrays: name, value, the refusal."""
    for name, says in {
        "_rebuild_sparse_tensor": "sparse tensors are not",
        "_rebuild_sparse_csr_tensor": "sparse tensors are not",
        "_rebuild_nested_tensor": "nested tensors are not",
        "_rebuild_qtensor": "quantized tensors are not",
        "_rebuild_meta_tensor_no_storage": "meta tensors are not",
        "_rebuild_tensor_v3": "global torch._utils._rebuild_tensor_v3 is not",
        "_rebuild_wrapper_subclass": "global torch._utils._rebuild_wrapper",
    }.items():
        yield name, call(f"torch._utils.{name}"), says
    yield "complex", Name("torch", "ComplexFloatStorage"), "complex tensors are not"
    yield "no storage", writer.tensor([1.0], 0, (1,), (1,)), "a tensor over a list"


def lying_storages():
    """Persistent ids that name no storage of the file: name, value, the refusal."""
    kind, none = Name("torch", "FloatStorage"), "names no storage"
    yield "too long", Persistent(("storage", kind, "0", "cpu", 2**70)), none
    yield "negative", Persistent(("storage", kind, "0", "cpu", -1)), none
    yield "untyped", Persistent(("storage", "FloatStorage", "0", "cpu", 1)), none
    yield "module", Persistent(("module", kind, "0", "cpu", 1)), none
    yield "seven", Persistent(("storage", kind, "0", "cpu", 1, None, None)), none
    yield "text", Persistent("storage"), none
    viewed = ("storage", kind, "0", "cpu", 1, ("1", 0, 1))
    yield "view", Persistent(viewed), "views of storages are not supported"
    other = Persistent(("storage", Name("torch", "LongStorage"), "0", "cpu", 1))
    both = [Persistent(("storage", kind, "0", "cpu", 1)), other]
    yield "two dtypes", both, "storage '0' is described in two ways"


_FOREIGN = Name("easydict", "EasyDict")
_MADE = call("easydict.EasyDict")
_NAMED = "global easydict.EasyDict"
_MAKE = b"ceasydict\nEasyDict\n)R"


def placeholders():
    """What nothing reads, put where a value is needed: name, value, the refusal."""
    refused, needed = f"{_NAMED} is not allowed", f"{_NAMED}, which is not read,"
    yield "class alone", _FOREIGN, refused
    yield "object alone", _MADE, refused
    yield "as key", Raw(b"}" + _MAKE + b"Ns"), refused
    yield "class as key", Raw(b"}ceasydict\nEasyDict\nNs"), refused
    yield "in a key", Raw(b"}(K\x01" + _MAKE + b"tNs"), refused
    yield (
        "key of an ordered dict",
        call("collections.OrderedDict", [(_MADE, 1)]),
        refused,
    )
    yield "in a set", Raw(b"\x8f(" + _MAKE + b"\x90"), refused
    yield "in a called set", call("builtins.set", [_MADE, 1]), refused
    yield "as storage", writer.tensor(_MADE, 0, (1,), (1,)), needed
    yield "class as storage", writer.tensor(_FOREIGN, 0, (1,), (1,)), needed
    yield "as offset", writer.tensor(None, _MADE, (1,), (1,)), needed
    yield "as shape", writer.tensor(None, 0, _MADE, (1,)), needed
    yield "as size", writer.tensor(None, 0, (1, _MADE), (1, 1)), needed
    yield "as strides", writer.tensor(None, 0, (1,), _MADE), needed
    yield "as stride", writer.tensor(None, 0, (1,), (_FOREIGN,)), needed
    yield "in torch.Size", call("torch.Size", (_MADE,)), needed
    yield "as device", call("torch.device", _MADE), "no name and number"
    rebuilt = call("torch._tensor._rebuild_from_type_v2", _MADE, _FOREIGN, (), None)
    yield "as rebuilder", rebuilt, "rebuilt in an unknown way"
    yield "as codec", call("_codecs.encode", "x", _MADE), "only latin-1"
    yield "as text", call("_codecs.encode", _MADE, "latin1"), "where bytes belong"

    dtype = call("numpy.dtype", "f4", False, True)
    array, flat = "numpy.core.multiarray._reconstruct", Name("numpy", "ndarray")
    yield "as dtype code", call("numpy.dtype", _MADE), needed
    yield "as class of an array", call(array, _MADE, (0,), b"b"), needed
    for name, state, says in (
        ("shape", (1, _MADE, dtype, False, b"1234"), needed),
        ("size", (1, (_MADE,), dtype, False, b"1234"), needed),
        ("dtype", (1, (1,), _MADE, False, b"1234"), "not a plain array"),
        ("elements", (1, (1,), dtype, False, _MADE), "where bytes belong"),
    ):
        yield f"as {name} of an array", call(array, flat, (0,), b"b", state=state), says
    scalar = "numpy.core.multiarray.scalar"
    yield "as dtype of a scalar", call(scalar, _MADE, b"1"), "scalar without a dtype"
    buffer = call("numpy.core.numeric._frombuffer", b"1234", dtype, (_MADE,), "C")
    yield "as size of a buffer", buffer, needed
    meta = call("easydict.EasyDict", items={"type": "class", "class_name": _MADE})
    record = call("torch_utils.persistence._reconstruct_persistent_obj", meta)
    yield "as name of a network", record, "without a class name and a state"

    yield (
        "attributes of a class",
        Raw(b"ceasydict\nEasyDict\n}" + _put(0) + b"b"),
        ("writes attributes of a Foreign"),
    )
    twice = _MAKE + b"}(K\x01Nub}(K\x01Nub"
    yield "two states", Raw(twice), "gives one object two states"
    yield "called with a list", Raw(b"ceasydict\nEasyDict\n]R"), "calls a Foreign"
    yield "repeated item", Raw(_MAKE + b"(K\x01NK\x01Nu"), "the key 1 is stored twice"
    yield "odd state", Raw(_MAKE + b"]b"), refused
    own = _MAKE + _put(0) + b"K\x01" + _get(0) + b"s"
    deep = "nested over 100 levels deep"
    yield "holds itself", Raw(own), deep
    yield "is its own state", Raw(_MAKE + _put(0) + _get(0) + b"b"), refused
    nested = _MAKE * 10**4 + b"N" + b"a" * 10**4
    yield "nested elements", Raw(nested), deep
    nested = (_MAKE + b"K\x01") * 10**4 + b"N" + b"s" * 10**4
    yield "nested items", Raw(nested), deep
    nested = b"ceasydict\nEasyDict\n(" * 10**4 + b"t" + b"R" + b"tR" * (10**4 - 1)
    yield "nested arguments", Raw(nested), refused
    parts = b"}(" + _word("_parameters") + b"}" + _word("_modules") + b"}K\x01"
    yield "nested modules", Raw((_MAKE + parts) * 10**4 + b"N" + b"sub" * 10**4), deep
    levels = (_MAKE + b"(" + _get(i) * 10 + b"e" + _put(i + 1) for i in range(30))
    laughs = b"(" + _MAKE + _put(0) + b"".join(levels) + b"t"
    yield "billion laughs of them", Raw(laughs), "far more values than the file"
    yield "a hundred thousand", Raw(b"(" + _MAKE * 10**5 + b"t"), refused
    yield "two hundred thousand", Raw(b"(" + _MAKE * 2 * 10**5 + b"t"), "500000 operati"


def placeholders_of_storages():
    """Persistent ids that name something foreign: name, value, the refusal."""
    kind, none = Name("torch", "FloatStorage"), "names no storage"
    yield "as type", Persistent(("storage", _FOREIGN, "0", "cpu", 1)), none
    yield "as storage key", Persistent(("storage", kind, _MADE, "cpu", 1)), none
    yield "as location", Persistent(("storage", kind, "0", _MADE, 1)), none
    yield "as size of a storage", Persistent(("storage", kind, "0", "cpu", _MADE)), none
    yield "as persistent id", Persistent(_MADE), none
    yield "object as module", Persistent(("module", _MADE, None, None)), none
    yield "as source", Persistent(("module", _FOREIGN, "x.py", _MADE)), none
