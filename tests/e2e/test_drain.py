"""SIGTERM under load: readiness falls, connections are closed after an answer, and no client loses anything."""

import http.client
import json
import threading
import time

import psutil
import pytest

from governance.testing import answers, eventually, listens
from tests.e2e.serving_side import prepare, serving_side

CONNECTIONS = 16
BODY = b'{"status": 200}'


class Load:
    """One client with one connection at a time, which it uses as long as the server lets it."""

    def __init__(self, side, pause=0.0):
        self._side, self._pause = side, pause
        self.answered, self.told_to_close, self.lost = 0, 0, []
        self._connection = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        headers = {**self._side.headers, "content-type": "application/json"}
        while not self.lost:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._side.port, timeout=20)
                try:
                    self._connection.connect()
                except ConnectionRefusedError:
                    return
            try:
                self._connection.request("POST", "/status", BODY, headers)
                reply = self._connection.getresponse()
                if reply.status != 200 or reply.read() != b"fine":
                    self.lost.append(f"status {reply.status}")
            except Exception as error:
                self.lost.append(f"{type(error).__name__}: {error}")
                return
            self.answered += 1
            if reply.will_close:
                self.told_to_close += 1
                self._connection.close()
                self._connection = None
            time.sleep(self._pause)


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drain")
    return folder, prepare(folder)


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_loses_no_request_and_resets_no_connection(token, workers):
    folder, key = token
    service = folder / "service.py"
    text = service.read_text()
    service.write_text(text.replace('@bentoml.service(traffic={"timeout": 2})', f"@bentoml.service(workers={workers})"))
    try:
        with serving_side(folder, key) as side:
            clients = [Load(side, pause) for pause in [0.0, 0.01] * (CONNECTIONS // 2)]
            assert eventually(lambda: all(client.answered > 20 for client in clients))
            side.process.terminate()
            assert eventually(lambda: side.call("GET", "/readyz")[0] == 503, every=0.02)
            for client in clients:
                client.thread.join(20)
            side.process.wait(20)
    finally:
        service.write_text(text)
    assert [client.lost for client in clients] == [[]] * CONNECTIONS
    assert all(client.told_to_close for client in clients)


def test_accepted_request_is_answered_after_sigterm(token):
    folder, key = token
    with serving_side(folder, key, GOVERNANCE_HTTP__DRAIN_SECONDS="0.2") as side:
        answer = []
        slow = threading.Thread(target=lambda: answer.append(side.call("GET", "/slow-answer/")))
        slow.start()
        assert eventually(lambda: side.metric("requests_in_flight") >= 2)
        side.process.terminate()
        # New connections are refused while the answer is still being made, and not kept waiting.
        assert eventually(lambda: not listens(side.port), every=0.02) and slow.is_alive()
        slow.join(20)
        side.process.wait(20)
    (status, headers, _body) = answer[0]
    assert status == 200
    assert headers["connection"] == "close"


def test_inner_services_answer_until_the_workers_that_call_them_have_ended(token):
    folder, key = token
    with serving_side(
        folder, key, target="nested:Outer", GOVERNANCE_AUDIT__DIRECTORY=str(folder / "nested-audit")
    ) as side:
        assert eventually(lambda: ask(side, 0.0)[0] == 200)
        answers_of = []
        clients = [
            threading.Thread(target=lambda seconds=seconds: answers_of.append(ask(side, seconds)))
            for seconds in (0.5, 1.5, 3.0)
        ]
        for client in clients:
            client.start()
        assert eventually(lambda: side.metric("requests_in_flight") >= 4)
        side.process.terminate()
        # Readiness falls at once, though the application would wait for its inner service.
        assert eventually(lambda: side.call("GET", "/readyz")[0] == 503, every=0.02)
        for client in clients:
            client.join(20)
        side.process.wait(20)
    assert [(status, body) for status, _, body in answers_of] == [(200, b"fine")] * 3


def ask(side, seconds):
    body = json.dumps({"seconds": seconds})
    return side.call("POST", "/status", body, {"content-type": "application/json"})


def test_worker_that_ends_alone_is_replaced_and_the_port_is_open_again(token):
    folder, key = token
    with serving_side(folder, key) as side:
        [worker] = workers_of(side)
        worker.terminate()
        worker.wait(20)
        assert eventually(lambda: workers_of(side) and answers(f"{side.url}/readyz"), seconds=40)
        assert workers_of(side) != [worker]


def workers_of(side):
    children = psutil.Process(side.process.pid).children()
    return [child for child in children if "_bentoml_impl.worker.service" in child.cmdline()]
