"""Loading plugins: names, classes, settings and routes are checked at start."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from governance.contract.plugin import Plugin
from governance.contract.routes import Route, RouteTable
from governance.errors import ConfigurationError
from governance.host import plugins as loading
from governance.host.plugins import PLUGIN_GROUP, load_plugins
from governance.host.routes import plugin_routes
from governance.settings import Section, Settings, load_settings, plugin_settings
from governance.testing import answer_ok, make_exchange


class GreetingSettings(Section):
    word: str = "hello"
    file: str = "file:greeting.txt"


class Greeting(Plugin):
    name = "greeting"
    settings_model = GreetingSettings

    def __init__(self, settings):
        self.settings = plugin_settings(settings, self.name, GreetingSettings)

    def routes(self):
        return {Route("GET", "/greeting", action="greet"): answer_ok}


class Quiet(Plugin):
    name = "quiet"


class Disabled(Plugin):
    name = "disabled"

    @classmethod
    def is_enabled(cls, settings):
        return False


class WrongModel(Plugin):
    name = "wrong-model"
    settings_model = dict


class NotDerived:
    name = "not-derived"


OFFERED = {
    "greeting": Greeting,
    "quiet": Quiet,
    "disabled": Disabled,
    "wrong-model": WrongModel,
    "not-derived": NotDerived,
}


@pytest.fixture(autouse=True)
def offered(monkeypatch):
    """Register the classes above as entry points of another distribution."""
    module = ModuleType("offered_plugins")
    for kind in OFFERED.values():
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "offered_plugins", module)
    points = [EntryPoint(name, f"offered_plugins:{kind.__name__}", PLUGIN_GROUP) for name, kind in OFFERED.items()]
    points.append(EntryPoint("gone", "no_such_module:Gone", PLUGIN_GROUP))
    monkeypatch.setattr(loading, "entry_points", lambda group: points)
    return points


def settings(*names, **sections):
    return Settings.model_validate({"service": {"name": "s", "plugins": names}, **sections})


def test_load_plugins_makes_the_named_ones_in_their_order_without_disabled_ones():
    assert [type(one) for one in load_plugins(settings("quiet", "disabled", "greeting"))] == [Quiet, Greeting]


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda: settings("missing"), "no plugin is called 'missing'; available plugins: audit, "),
        (lambda: settings("quiet", "quiet"), "names 'quiet' twice: quiet, quiet"),
        (lambda: settings("not-derived"), "is not derived from governance.contract.plugin.Plugin"),
        (lambda: settings("gone"), "cannot be imported from no_such_module:Gone"),
        (lambda: settings("quiet", plugins={"greeting": {}}), r"\[plugins.greeting\] configures a plugin that"),
        (lambda: settings("quiet", plugins={"quiet": {"a": 1}}), r"\[plugins.quiet\] is not used"),
        (
            lambda: settings("greeting", plugins={"greeting": {"wrod": "hi"}}),
            r"\[plugins.greeting.wrod\] is an unknown key; did you mean 'word'\?",
        ),
        (lambda: settings("greeting", plugins={"greeting": {"word": 3}}), r"\[plugins.greeting.word\]"),
        (lambda: settings("wrong-model"), "settings_model must be a subclass of governance.settings.Section"),
    ],
)
def test_load_plugins_refuses_what_is_wrong_with_one_sentence(made, says):
    with pytest.raises(ConfigurationError, match=says) as refusal:
        load_plugins(made())
    assert "\n" not in str(refusal.value)


def test_load_plugins_refuses_a_built_in_name_from_another_distribution(offered):
    offered.append(EntryPoint("audit", "offered_plugins:Quiet", PLUGIN_GROUP))
    with pytest.raises(ConfigurationError, match="another distribution offers a plugin with the built-in name 'audit'"):
        load_plugins(settings("audit"))


def test_plugin_settings_come_from_the_file_and_the_environment_with_absolute_paths(tmp_path):
    file = tmp_path / "governance.toml"
    file.write_text('[service]\nname = "s"\nplugins = ["greeting"]\n[plugins.greeting]\nword = "hi"\n')
    (plugin,) = load_plugins(load_settings(file, {}))
    assert (plugin.settings.word, plugin.settings.file) == ("hi", f"file:{tmp_path}/greeting.txt")
    (plugin,) = load_plugins(load_settings(file, {"GOVERNANCE_PLUGINS__GREETING__WORD": "salut"}))
    assert plugin.settings.word == "salut"


def test_plugin_tracing_with_an_endpoint_must_be_listed():
    tracing = {"endpoint": "https://collector/v1/traces"}
    with pytest.raises(ValueError, match="does not name 'tracing'"):
        settings("quiet", tracing=tracing)
    assert [one.name for one in load_plugins(settings("tracing", "quiet", tracing=tracing))] == ["tracing", "quiet"]
    assert [one.name for one in load_plugins(settings("tracing", "quiet"))] == ["quiet"]


async def test_plugin_routes_are_answered_by_the_plugin():
    routes, servers = plugin_routes(load_plugins(settings("quiet", "greeting")))
    assert [(route.template, route.server) for route in routes] == [("/greeting", "plugin:greeting")]
    reply = await servers["plugin:greeting"](make_exchange("GET", "/greeting", route=routes[0]))
    assert reply.status == 200


def test_plugin_route_that_exists_already_is_refused():
    routes, _ = plugin_routes(load_plugins(settings("greeting")))
    with pytest.raises(ConfigurationError, match="the route GET /greeting is listed twice"):
        RouteTable([Route("GET", "/greeting", "infer", "bentoml"), *routes])


def test_plugin_route_with_a_server_is_refused():
    class Wrong(Plugin):
        name = "wrong"

        def routes(self):
            return {Route("GET", "/x", "greet", server="bentoml"): answer_ok}

    with pytest.raises(ConfigurationError, match="leave `server` empty"):
        plugin_routes([Wrong()])


def test_plugin_route_with_a_synchronous_handler_is_refused():
    class Wrong(Plugin):
        name = "wrong"

        def routes(self):
            return {Route("GET", "/x", "greet"): lambda exchange: None}

    with pytest.raises(ConfigurationError, match="the handler of GET /x must be `async def`"):
        plugin_routes([Wrong()])
