"""The reference of the public Python API, from the docstrings of what `PUBLIC` lists.

The source files are parsed, and not imported: importing the host would import BentoML.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tools.reference.docstrings import Docstring, parse
from tools.reference.markdown import page, table

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("docs/reference/python.md")
WIDTH = 100
_CODE, _WORD = re.compile(r"`([^`]+)`"), re.compile(r"\w+")
INTRODUCTION = """
These names are public: they keep their meaning within a minor version. Everything else may change. Nothing here opens a
file, a key or a connection when it is imported. Errors are in [Errors](errors.md), facts that plugins share in
[Facts](facts.md), and the settings' keys in [Settings](settings.md).
"""

PUBLIC: Mapping[str, tuple[str, ...]] = {
    "governance": ("Governance", "GovernedModel"),
    "governance.contract.plugin": ("Plugin", "Chain"),
    "governance.contract.exchange": ("Exchange", "Reply", "StreamedReply", "Connection"),
    "governance.contract.routes": ("Route",),
    "governance.contract.events": ("Event",),
    "governance.contract.measurements": ("Measurement", "Metric"),
    "governance.contract.models": ("ModelLoad", "ModelRefusal"),
    "governance.testing": (
        "make_exchange",
        "chain",
        "answer_ok",
        "free_port",
        "eventually",
        "running",
        "answers",
        "listens",
    ),
    "governance.settings": ("Settings", "Section", "load_settings", "plugin_settings"),
    "governance.artifacts.seal": ("seal_folder", "SealOptions", "SealedFacts"),
    "governance.artifacts.opening": ("open_sealed", "verify_sealed", "OpenedArtifact"),
    "governance.artifacts.trust.trust": ("Trust",),
    "governance.privacy.find.detect": ("Detectors",),
    "governance.privacy.find.finding": ("Finding",),
    "governance.privacy.change.text": ("TextAnonymizer", "AnonymizationProfile", "Anonymized"),
    "governance.privacy.change.operators": ("Operator",),
    "governance.privacy.change.context": ("Context",),
    "governance.privacy.request.card_rules": ("CardRules",),
    "governance.privacy.request.tensors": ("change_columns", "TensorColumn"),
    "governance.privacy.datasets.scan": ("scan_file", "ScanOptions", "ScanResult"),
    "governance.privacy.datasets.measure": ("measure_file", "RiskOptions", "RiskResult"),
    "governance.privacy.datasets.anonymize": (
        "anonymize_file",
        "anonymize_stream",
        "AnonymizeOptions",
        "AnonymizeResult",
        "GeneralisationPlan",
    ),
    "governance.privacy.datasets.profile": ("DatasetProfile", "ColumnRule"),
    "governance.privacy.datasets.findings": ("FindOptions", "FindingCounts"),
    "governance.privacy.datasets.formats.batch": ("ReadOptions",),
    "governance.privacy.datasets.risk.generalise": ("KAnonymity",),
    "governance.privacy.datasets.risk.measures": ("Risk", "Diversity", "Population"),
    "governance.privacy.datasets.report": (
        "scan_report",
        "risk_report",
        "anonymize_report",
        "write_report",
        "Report",
    ),
    "governance.keys": (
        "open_secret",
        "open_signing_key",
        "open_recipient_key",
        "open_recipient",
        "load_verifying_key",
    ),
    "governance.audit.verify": ("verify_log", "VerifiedLog"),
    "governance.audit.evidence": ("prove", "verify_evidence"),
    "governance.audit.receipt": ("Receipt",),
    "governance.drift.learning": ("learn",),
}
# Decorators that say how a function is called.
SHOWN_DECORATORS = ("classmethod", "staticmethod", "contextmanager", "asynccontextmanager")
# Methods that only this package calls.
INTERNAL = frozenset(
    {
        "governance.Governance.gate",
        "governance.Governance.preflight_or_exit",
        "governance.artifacts.opening.OpenedArtifact.adopt",
        "governance.artifacts.opening.OpenedArtifact.to_record",
    }
)
Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.ClassDef | Function


@dataclass(frozen=True, slots=True)
class Thing:
    """A public class, function or method.

    Attributes:
        name: its full name.
        parameters: the names of its parameters, without `self` and `cls`.
        signature: how it is called, as Python.
        doc: its docstring.
        fields: name and type of each public attribute that a class declares.
        methods: the public methods that a class itself defines.
    """

    name: str
    parameters: tuple[str, ...]
    signature: str
    doc: Docstring
    fields: tuple[tuple[str, str], ...] = ()
    methods: tuple[Thing, ...] = ()


def api_files() -> dict[Path, str]:
    """Return the page."""
    return {PAGE: api_page()}


def api_page(public: Mapping[str, tuple[str, ...]] = PUBLIC) -> str:
    """Return the page: a section for each public name.

    Args:
        public: names by module.
    """
    found = list(things(public))
    overview = [(f"[`{one.name}`](#{_anchor(one.name)})", one.doc.summary) for one in found]
    return page("Python", "the docstrings", INTRODUCTION, table(("Name", "What it is"), overview), *map(_part, found))


def things(public: Mapping[str, tuple[str, ...]] = PUBLIC) -> Iterator[Thing]:
    """Yield what is public, in the order of the list.

    Args:
        public: names by module.
    """
    for module, names in public.items():
        for name in names:
            yield thing(f"{module}.{name}")


def thing(name: str) -> Thing:
    """Read one class or function.

    Args:
        name: the full name that it is imported by.
    """
    source, node = _definition(*name.rsplit(".", 1))
    if isinstance(node, ast.ClassDef):
        return _class(name, source, node)
    return _function(name, source, node)


def _class(name: str, source: str, node: ast.ClassDef) -> Thing:
    methods = [one for one in node.body if isinstance(one, Function)]
    # The keys of settings are described by their fields, and have a page of their own.
    is_section = any(ast.unparse(base) in ("Section", "BaseModel") for base in node.bases)
    body = [] if is_section else node.body
    fields = [
        (one.target.id, _segment(source, one.annotation))
        for one in body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.target.id[0] != "_"
    ]
    own = tuple(
        _function(f"{name}.{one.name}", source, one)
        for one in methods
        if one.name[0] != "_" and f"{name}.{one.name}" not in INTERNAL
    )
    start = next((one for one in methods if one.name == "__init__"), None)
    parameters = () if start is None else _names(start)
    signature = f"class {node.name}" + ("" if start is None else _call("", _parameters(source, start), ""))
    doc = parse(ast.get_docstring(node))
    started = parse(ast.get_docstring(start)) if start is not None else Docstring()
    merged = Docstring((*doc.prose, *started.prose), {**started.sections, **doc.sections})
    return Thing(name, parameters, signature, merged, tuple(fields), own)


def _function(name: str, source: str, node: Function) -> Thing:
    kinds = {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}
    doc = parse(ast.get_docstring(node))
    returns = f" -> {_segment(source, node.returns)}" if node.returns is not None else ""
    if "property" in kinds:
        return Thing(name, (), f"{node.name}: {returns.removeprefix(' -> ')}", doc)
    prefix = ("async " if isinstance(node, ast.AsyncFunctionDef) else "") + f"def {node.name}"
    above = "".join(f"@{kind}\n" for kind in SHOWN_DECORATORS if kind in kinds)
    return Thing(name, _names(node), above + _call(prefix, _parameters(source, node), returns), doc)


def _names(node: Function) -> tuple[str, ...]:
    arguments = node.args
    found = [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
    return tuple(one.arg for one in found if one is not None and one.arg not in ("self", "cls"))


def _parameters(source: str, node: Function) -> list[str]:
    """Return each parameter as the source writes it, without `self` and `cls`."""
    arguments, found = node.args, []
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    for one, default in zip(positional, defaults, strict=True):
        if one.arg not in ("self", "cls"):
            found.append(_parameter(source, one, default))
    if arguments.vararg is not None:
        found.append("*" + _parameter(source, arguments.vararg, None))
    elif arguments.kwonlyargs:
        found.append("*")
    found += [
        _parameter(source, one, value) for one, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg is not None:
        found.append("**" + _parameter(source, arguments.kwarg, None))
    return found


def _parameter(source: str, one: ast.arg, default: ast.expr | None) -> str:
    text = one.arg if one.annotation is None else f"{one.arg}: {_segment(source, one.annotation)}"
    return text if default is None else f"{text} = {_segment(source, default)}"


def _call(prefix: str, parameters: list[str], returns: str) -> str:
    line = f"{prefix}({', '.join(parameters)}){returns}"
    if len(line) <= WIDTH:
        return line
    return (
        f"{prefix}(\n" + "".join(f"    {one},\n" for one in parameters).replace("    *,\n", "    *,\n") + f"){returns}"
    )


def _segment(source: str, node: ast.AST) -> str:
    """Return the source text of a node on one line; `ast.unparse` differs between versions of Python."""
    return " ".join((ast.get_source_segment(source, node) or "").split())


def _definition(module: str, name: str) -> tuple[str, Definition]:
    """Return the source and the node that defines a name, through the modules that import it from elsewhere."""
    source, tree = _parsed(module)
    for node in tree.body:
        if isinstance(node, Definition) and node.name == name:
            return source, node
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            return _definition(node.module, name)
    raise ValueError(f"{module} neither defines nor imports {name}")


@cache
def _parsed(module: str) -> tuple[str, ast.Module]:
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    source = file.read_text(encoding="utf-8")
    return source, ast.parse(source)


def undocumented(one: Thing) -> list[str]:
    """Return what a public thing does not explain: itself, a parameter, a field, a method.

    Args:
        one: the class or function.
    """
    explained = {name for section in ("Args", "Attributes") for name, _ in one.doc.items(section)}
    prose = {word for text in one.doc.prose for code in _CODE.findall(text) for word in _WORD.findall(code)}
    found = [] if one.doc.summary else [one.name]
    needed = (*one.parameters, *(name for name, _ in one.fields))
    found += [f"{one.name}: {name}" for name in dict.fromkeys(needed) if name not in explained and name not in prose]
    return found + [fault for method in one.methods for fault in undocumented(method)]


def _part(one: Thing, depth: int = 2) -> str:
    title = one.name if depth == 2 else one.name.rpartition(".")[2]
    lines = [f"{'#' * depth} {title}" if depth == 2 else f"{'#' * depth} {one.name.split('.')[-2]}.{title}"]
    lines += [f"```python\n{one.signature}\n```", *one.doc.prose]
    types = dict(one.fields)
    for section in ("Attributes", "Args", "Raises"):
        items = one.doc.items(section)
        if section == "Attributes":
            explained = {name for name, _ in (*items, *one.doc.items("Args"))}
            items += [(name, "") for name in types if name not in explained]
        if items:
            heading = {"Attributes": "Attributes", "Args": "Arguments", "Raises": "Raises"}[section]
            rows = [
                f"- `{name}`{f' (`{types[name]}`)' if name in types else ''}: {text}".rstrip(": ")
                for name, text in items
            ]
            lines.append(f"{heading}:\n\n" + "\n".join(rows))
    for section in ("Returns", "Yields"):
        if section in one.doc.sections:
            lines.append(f"{section} {' '.join(one.doc.sections[section].split())}")
    for section in ("Example", "Examples"):
        if section in one.doc.sections:
            lines.append(f"Example:\n\n{one.doc.sections[section]}")
    lines += [_part(method, depth + 1) for method in one.methods]
    return "\n\n".join(lines)


def _anchor(name: str) -> str:
    return name.lower().replace(".", "")
