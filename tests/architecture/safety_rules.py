"""Static rules of the safety battery (B-22): what no file of the program may contain, and how it is found."""

from __future__ import annotations

import ast
from collections.abc import Iterator

NETWORK = {"socket", "ssl", "http", "urllib", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "asyncio"}
NETWORK |= {
    "pynetdicom",
    "dicomweb_client",
    "QtNetwork",
    "socketserver",
    "xmlrpc",
    "telnetlib",
    "imaplib",
    "webbrowser",
    "psycopg",
}
MAY_USE_NETWORK = ("core/pacs/", "core/store/postgresql/")
PICKLES = {"pickle", "shelve", "marshal", "dill", "joblib", "cloudpickle"}
RUNS_TEXT = {"eval", "exec", "compile", "yaml.load", "os.system", "os.popen", "__import__"}
WRITERS = {"np.save", "np.savez", "np.savetxt", "numpy.save", "torch.save", "shutil.copy", "shutil.copy2"}
WRITERS |= {"shutil.copyfile", "shutil.copytree", "shutil.move", "os.replace", "os.rename"}
WRITERS |= {"safetensors.torch.save_file"}
WRITES = {"write_text", "write_bytes", "savefig", "to_csv", "imwrite", "symlink_to", "hardlink_to", "tofile"}
MAY_WRITE = {
    "core/platform/atomic.py": "the one writer",
    "core/exchange/models/archive.py": "a shared model, under the temporary name that the one writer gives",
    "core/store/write_lock.py": "the lock file: it is held, and holds nothing",
    "core/store/page_buffer.py": "arrays, under the temporary name that the one writer gives",
    "core/store/archive.py": "a backup, written under the temporary name that the one writer gives",
    "core/store/restore.py": "members of a backup, in the same way",
    "core/store/audit.py": "the records of an exported trail, in the same way",
    "core/pacs/dicomweb.py": "an object from a PACS, in the same way",
    "core/pacs/multipart.py": "the one part of such an object's body, in the same way",
    "core/jobs/ssh.py": "a result from another machine, in the same way",
    "core/tasks/studies/crash_log.py": "the trace that the interpreter writes while it dies",
    "core/jobs/child.py": "the lock that says that it lives, and the log of its events, a line at a time",
    "core/jobs/attended.py": "the lock of a run: it is held, and holds nothing",
    "core/jobs/device_lock.py": "the lock of a device and who holds it, in a folder that all users share",
    "core/jobs/slurm/task.py": "the log of a job, to which lines are added while it runs",
    "core/jobs/detached.py": "the log of a job, and asking whether its lock is held",
    "core/jobs/supervisor.py": "the log of a job, to which lines are added while it runs",
}


def offences(text: str, where: str) -> Iterator[str]:
    """Of the source ``text`` of the file ``where`` (relative to the repository, with "/")."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        line = f"{where}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call):
            for sentence in (*_of_call(node), *(() if where in MAY_WRITE else _of_writing(node))):
                yield f"{line} {sentence}"
            if where.startswith("app/") and where != "app/widgets/label.py":
                yield from (f"{line} {sentence}" for sentence in _of_words(node))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (f"{line} {sentence}" for sentence in _of_import(node, where))
        elif isinstance(node, ast.ExceptHandler):
            yield from (f"{line} {sentence}" for sentence in _of_handler(node))


def _keywords(call: ast.Call) -> dict[str | None, str]:
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


def _of_call(call: ast.Call) -> Iterator[str]:
    name, keywords = ast.unparse(call.func), _keywords(call)
    if name in RUNS_TEXT or name.split(".")[0] in PICKLES:
        yield f"calls {name}"
    if name == "torch.load" and keywords.get("weights_only") != "True":
        yield "calls torch.load without weights_only=True"
    if name in {"np.load", "numpy.load"} and keywords.get("allow_pickle", "False") != "False":
        yield "loads pickled arrays"
    if name.endswith("load_state_dict_from_url") and keywords.get("weights_only") != "True":
        yield "loads weights without saying weights_only=True"
    if keywords.get("shell", "False") != "False":
        yield "runs a program through a shell"


def _of_writing(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    last = name.split(".")[-1]
    in_memory = any(ast.unparse(arg).endswith("buffer") for arg in call.args)
    if not in_memory and (name in WRITERS or (isinstance(call.func, ast.Attribute) and last in WRITES)):
        yield f"writes with {name}, not with atomic_write"
    if last == "open" and (_opens_for_writing(call) or "O_CREAT" in ast.unparse(call)):
        yield f"opens for writing with {name}, not with atomic_write"
    if last == "File" and "h5py" in name and not _is_read_or_memory(call):
        yield "opens HDF5 for writing on the disk, which a crash or a full disk destroys"
    if last == "ZipFile" and any(
        isinstance(arg, ast.Constant) and arg.value in ("w", "a", "x") for arg in call.args
    ):
        yield "writes an archive, not with atomic_write"


def _opens_for_writing(call: ast.Call) -> bool:
    """By a mode among the arguments; a folder or a study that is opened has none."""
    values = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    modes = [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)]
    return any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes)


def _is_read_or_memory(call: ast.Call) -> bool:
    """For reading, into a buffer (a plain name that ends in "buffer") or with the driver that stays in memory."""
    keywords = _keywords(call)
    if keywords.get("driver") == "'core'" and keywords.get("backing_store") == "False":
        return True
    if call.args and ast.unparse(call.args[0]).endswith("buffer"):
        return True
    mode = ast.unparse(call.args[1]) if len(call.args) > 1 else keywords.get("mode", "'r'")
    return mode == "'r'"


def _of_import(node: ast.Import | ast.ImportFrom, where: str) -> Iterator[str]:
    modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
    names = {part for module in modules for part in module.split(".")[:2]}
    if isinstance(node, ast.ImportFrom) and node.module == "PySide6":
        names |= {alias.name for alias in node.names}
    # what torch.load raises when it refuses a pickle has to be named to be caught
    only_the_error = isinstance(node, ast.ImportFrom) and [a.name for a in node.names] == ["UnpicklingError"]
    if names & PICKLES and not only_the_error:
        yield f"imports {sorted(names & PICKLES)[0]}"
    if (
        names & NETWORK
        and modules[0].split(".")[0] not in ("core", "app")
        and not where.startswith(MAY_USE_NETWORK)
    ):
        yield f"imports {sorted(names & NETWORK)[0]}: only core/pacs and core/store/postgresql talk to a network"


def _of_handler(handler: ast.ExceptHandler) -> Iterator[str]:
    if len(handler.body) == 1 and isinstance(handler.body[0], ast.Pass | ast.Continue):
        kinds = "" if handler.type is None else ast.unparse(handler.type)
        if isinstance(handler.body[0], ast.Pass) or _is_broad(kinds):
            yield "swallows an error"
            return
    kinds = "" if handler.type is None else ast.unparse(handler.type)
    if not _is_broad(kinds):
        return
    raises = any(isinstance(node, ast.Raise) for statement in handler.body for node in ast.walk(statement))
    used = any(
        isinstance(node, ast.Name) and node.id == handler.name
        for statement in handler.body
        for node in ast.walk(statement)
    )
    told = any("format_exc" in ast.unparse(statement) for statement in handler.body)
    if not (raises or used or told):
        yield "catches everything and says nothing of it"


def _is_broad(kinds: str) -> bool:
    return kinds == "" or bool({"Exception", "BaseException"} & {part.strip(" ()") for part in kinds.split(",")})


def _of_words(call: ast.Call) -> Iterator[str]:
    """Foreign words must not be taken for markup: labels are ``Label``, tool tips go through ``tip`` or ``tr``."""
    name = ast.unparse(call.func).split(".")[-1]
    if name == "QLabel":
        yield "makes a QLabel, which guesses at markup; use app.widgets.label.Label"
    if name == "setHtml" and not (call.args and isinstance(call.args[0], ast.Call)):
        yield "shows HTML that is not made in one place"
