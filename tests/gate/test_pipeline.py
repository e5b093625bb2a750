"""The pipeline: the order of plugins around a server, and refusal of wrong plugins and orders at start."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest

from governance.access.callers.caller import Caller
from governance.access.policies.verdict import Decision
from governance.contract.events import Event
from governance.contract.exchange import Reply
from governance.contract.facts import Admitted, Usage, is_admitted
from governance.contract.measurements import Measurement
from governance.contract.models import ModelLoad
from governance.contract.plugin import Plugin
from governance.errors import ConfigurationError
from governance.gate.pipeline import Pipeline
from governance.plugins import BUILT_IN
from governance.testing import answer_ok, chain, make_exchange


class Named(Plugin):
    def __init__(self, name, log=None, **attributes):
        self.name, self.log = name, log
        for attribute, facts in attributes.items():
            setattr(self, attribute, frozenset(facts))

    async def close(self):
        if self.log is not None:
            self.log.append(self.name)
            raise OSError(self.name)

    async def handle(self, exchange, proceed):
        exchange.reply_headers.append((self.name.encode(), b"in"))
        reply = await proceed(exchange)
        exchange.reply_headers.append((self.name.encode(), b"out"))
        return reply


async def test_pipeline_runs_plugins_around_each_other_in_their_order():
    one = make_exchange()
    async with chain([Named("a"), Named("b")]) as send:
        await send(one)
    assert one.reply_headers == [(b"a", b"in"), (b"b", b"in"), (b"b", b"out"), (b"a", b"out")]


async def test_pipeline_leaves_a_plugin_out_of_the_chain_of_routes_that_it_does_not_handle():
    class Only(Named):
        def handles(self, route):
            return route.template == "/mine"

        def exchange_ended(self, exchange, reply, error):
            self.log.append(exchange.path)

    log = []
    pipeline = Pipeline([Named("a"), Only("b", log)])
    for path, names in (("/mine", [b"a", b"b", b"b", b"a"]), ("/other", [b"a", b"a"])):
        one = make_exchange(path=path)
        await pipeline.around(answer_ok, one.route)(one)
        assert [name for name, _ in one.reply_headers] == names
    assert log == ["/mine", "/other"]
    one = make_exchange(path="/other")
    await pipeline.around(answer_ok)(one)
    assert len(one.reply_headers) == 4


@pytest.mark.parametrize(("samples", "timed"), [(True, [True, False]), (False, [True, True])])
async def test_pipeline_times_the_chosen_exchanges_only_if_that_is_enough_for_every_observer(samples, timed):
    class Observer(Named):
        samples_marks = samples

        def exchange_ended(self, exchange, reply, error):
            self.log.append(exchange.marks)

    log, choice = [], iter([True, False])
    pipeline = Pipeline([Named("a"), Observer("b", log)], choose_timed=lambda: next(choice))
    for _ in range(2):
        one = make_exchange()
        await pipeline.around(answer_ok)(one)
        assert [name for name, _ in one.reply_headers] == [b"a", b"b", b"b", b"a"]
    assert [len(marks) == 6 and all(marks) for marks in log] == timed


def test_pipeline_order_refuses_plugin_before_the_fact_that_it_requires():
    with pytest.raises(ConfigurationError, match=r"'b' requires Usage.*put 'a' before 'b'; the order is b, a"):
        Pipeline([Named("b", requires=[Usage]), Named("a", provides=[Usage])])


def test_pipeline_order_refuses_required_fact_that_no_plugin_provides():
    with pytest.raises(ConfigurationError, match=r"'b' requires Usage, and no plugin before it provides that: the"):
        Pipeline([Named("b", requires=[Usage])])


def test_pipeline_order_refuses_plugin_before_a_fact_that_it_uses():
    with pytest.raises(ConfigurationError, match=r"'b' uses Usage.*put 'a' before 'b'; the order is b, a"):
        Pipeline([Named("b", uses=[Usage]), Named("a", provides=[Usage])])
    Pipeline([Named("b", uses=[Usage])])
    Pipeline([Named("a", provides=[Usage]), Named("b", uses=[Usage])])
    Pipeline([Named("b", observes=[Usage]), Named("a", provides=[Usage])])


def test_pipeline_order_refuses_two_plugins_with_the_same_fact_or_name():
    with pytest.raises(ConfigurationError, match="'a' and 'b' both provide Usage"):
        Pipeline([Named("a", provides=[Usage]), Named("b", provides=[Usage])])
    with pytest.raises(ConfigurationError, match="'a' is named twice"):
        Pipeline([Named("a"), Named("a")])


def _plugin_class(name):
    module, _, attribute = BUILT_IN[name].partition(":")
    return getattr(import_module(module), attribute)


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (["identity", "privacy", "policy"], "'privacy' uses Decision.*put 'policy' before 'privacy'"),
        (["privacy", "identity", "policy"], "'privacy' uses Caller.*put 'identity' before 'privacy'"),
        (["policy", "identity"], "'policy' requires Caller"),
        (["identity", "metrics"], "'identity' uses Admitted.*put 'metrics' before 'identity'"),
    ],
)
def test_pipeline_order_of_built_in_plugins_that_loses_a_decision_or_scope_is_refused(order, says):
    plugins = [object.__new__(_plugin_class(name)) for name in order]
    with pytest.raises(ConfigurationError, match=says):
        Pipeline(plugins)


class NoPlugin:
    name = "none"

    async def handle(self, exchange, proceed):
        return await proceed(exchange)


def _wrong(**members):
    return type("Wrong", (Plugin,), {"name": "wrong", **members})(None)


def _synchronous(self, exchange, proceed):
    return Reply(200, (), ())


async def _one_parameter(self, exchange):
    return Reply(200, (), ())


async def _three_parameters(self, exchange, proceed, more):
    return Reply(200, (), ())


def _open(self):
    return None


async def _asynchronous_measurements(self):
    return ()


def _measurements_since(self, since):
    return ()


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (NoPlugin, "test_pipeline.NoPlugin is not a plugin: derive it from governance.contract.plugin.Plugin"),
        (lambda: _wrong(handle=_synchronous), r"write `handle\(exchange, proceed\)` as `async def`"),
        (lambda: _wrong(handle=_one_parameter), r"wrong parameters: write `handle\(exchange, proceed\)`"),
        (lambda: _wrong(handle=_three_parameters), r"wrong parameters: write `handle\(exchange, proceed\)`"),
        (lambda: _wrong(open=_open), r"write `open\(\)` as `async def`"),
        (lambda: _wrong(measurements=_asynchronous_measurements), r"write `measurements\(\)` as `def, not async`"),
        (lambda: _wrong(measurements=_measurements_since), r"wrong parameters: write `measurements\(\)`"),
        (lambda: _wrong(measurements=3), "`measurements` must be a method"),
        (lambda: _wrong(event_happened=lambda self, event: None), r"write `event_happened\(event\)` as `async def`"),
        (
            lambda: _wrong(exchange_ended=lambda self, exchange: None),
            r"write `exchange_ended\(exchange, reply, error\)`",
        ),
        (lambda: _wrong(requires={Usage}), "`requires` must be a frozenset of types"),
        (lambda: _wrong(uses=frozenset({"Usage"})), "`uses` must be a frozenset of types"),
        (lambda: _wrong(name=""), "has no name"),
    ],
)
def test_pipeline_refuses_a_wrong_plugin_with_one_sentence(made, says):
    with pytest.raises(ConfigurationError, match=says) as refusal:
        Pipeline([made()])
    assert "\n" not in str(refusal.value)


async def test_pipeline_passes_proceed_by_position():
    class Other(Plugin):
        name = "other"

        async def handle(self, request, rest):
            return await rest(request)

    async with chain([Other(None)]) as send:
        assert (await send(make_exchange())).status == 200


async def test_pipeline_closing_goes_on_after_an_error():
    log = []
    with pytest.raises(OSError, match="b"):
        await Pipeline([Named("a", log), Named("b", log)]).close()
    assert log == ["b", "a"]


def test_pipeline_collects_measurements_and_skips_a_source_that_raises(caplog):
    class Counting(Named):
        def measurements(self):
            return [Measurement("audit_entries", 3.0)]

    class Failing(Named):
        def measurements(self):
            raise ValueError("jane@example.org")

    showing = Named("showing")
    Pipeline([showing, Counting("counting"), Failing("failing"), Named("silent")])
    assert showing.chain.measurements() == [Measurement("audit_entries", 3.0)]
    assert "Failing failed to return its measurements: ValueError" in caplog.text
    assert "jane" not in caplog.text


async def test_pipeline_sends_events_to_every_plugin_and_outside_a_chain_they_are_dropped():
    class Observing(Named):
        async def event_happened(self, event):
            self.seen = event

    event, observing, announcing = Event("stop", "done", "m", ""), Observing("observing"), Named("announcing")
    await announcing.chain.announce(event)
    Pipeline([observing, announcing])
    await announcing.chain.announce(event)
    assert observing.seen is event


def test_pipeline_refuses_a_card_with_a_demand_that_no_plugin_enforces():
    load = ModelLoad("m", "1", "cpu", True, False, 0.0, {"privacy": {"inputs": []}})
    with pytest.raises(ConfigurationError, match=r"card of 'm'.*'privacy'.*add the plugin 'privacy'"):
        Pipeline([Named("a")]).introduce([load])
    Pipeline([Named("a", enforces=["privacy"])]).introduce([load])


def test_pipeline_chain_reports_what_later_plugins_enforce():
    first, last = Named("first"), Named("last", enforces=["anonymize"])
    assert first.chain.enforced_behind(first) == frozenset()
    Pipeline([first, last])
    assert first.chain.enforced_behind(first) == {"anonymize"}
    assert last.chain.enforced_behind(last) == frozenset()


async def test_admitted_fact_replaces_the_caller():
    one = make_exchange()
    assert not is_admitted(one)
    one.put(Admitted("a scrape"))
    assert is_admitted(one)
    assert (await answer_ok(one)).status == 200


def _reads(path):
    """Yield (how, fact) for each fact that a source file reads from an exchange."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name) and function.id == "is_admitted":
            yield "get", "Admitted"
        if isinstance(function, ast.Name) and function.id == "permitted_outputs":
            yield "get", "Decision"
        if not isinstance(function, ast.Attribute) or function.attr not in ("get", "require") or len(node.args) != 1:
            continue
        argument = node.args[0]
        if isinstance(argument, ast.Name) and re.fullmatch(r"[A-Z][a-z]\w*", argument.id):
            yield function.attr, argument.id


def _sources(name):
    """Return the source files of a built-in plugin: its module, or all modules of its folder."""
    file = Path(inspect.getfile(_plugin_class(name)))
    return sorted(file.parent.glob("*.py")) if file.parent.name == name else [file]


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_built_in_plugin_declares_every_fact_that_it_reads(name):
    kind = _plugin_class(name)
    declared = {
        attribute: {fact.__name__ for fact in getattr(kind, attribute)}
        for attribute in ("requires", "provides", "uses", "observes")
    }
    read = {pair for path in _sources(name) for pair in _reads(path)}
    for how, fact in read:
        allowed = declared["requires"] if how == "require" else declared["uses"] | declared["observes"]
        assert fact in allowed | declared["provides"], f"{name} reads {fact} with {how}() and does not declare it"
    declared_reads = declared["requires"] | declared["uses"] | declared["observes"]
    assert declared_reads <= {fact for _, fact in read}, f"{name} declares a fact that it does not read"


def test_check_of_declared_facts_detects_an_undeclared_one(tmp_path):
    source = tmp_path / "plugin.py"
    source.write_text("a = exchange.get(Caller)\nb = self._x.get(key)\nc = exchange.require(Decision)\n")
    assert set(_reads(source)) == {("get", Caller.__name__), ("require", Decision.__name__)}
