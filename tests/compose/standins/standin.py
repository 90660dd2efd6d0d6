"""Stand-ins for what no package registry here offers: they take the command line and the files of
the real one, accept what it accepts, and pass on what it passes on. They are not it.

    standin.py loki|alloy|tempo|collector|grafana ARGUMENT…
"""

import glob
import json
import os
import re
import sys
import threading
import time
import urllib.request

import yaml

from serve import Counters, beside, serve, well
from spans import spans

MOST = 20_000


def config(arguments, flag):
    """The file that the real one would be told to read."""
    path = next(word.split("=", 1)[1] for word in arguments if re.match(rf"--?{flag}=", word))
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


def loki(arguments):
    settings = config(arguments, r"config\.file")
    counters, lock, streams = Counters(), threading.Lock(), {}
    counters.add("loki_distributor_lines_received_total", 0)

    def push(_path, _query, body):
        for stream in json.loads(body)["streams"]:
            name = json.dumps(stream["stream"], sort_keys=True)
            counters.add("loki_distributor_lines_received_total", len(stream["values"]))
            with lock:
                kept = streams.setdefault(name, [])
                kept.extend(stream["values"])
                del kept[:-MOST]
        return 204, ""

    def query(_path, query, _body):
        wanted = dict(re.findall(r'(\w+)\s*=\s*"([^"]*)"', query["query"][0]))
        with lock:
            found = [
                {"stream": json.loads(name), "values": list(values)}
                for name, values in streams.items()
                if wanted.items() <= json.loads(name).items()
            ]
        return 200, {"status": "success", "data": {"resultType": "streams", "result": found}}

    os.makedirs(settings["compactor"]["working_directory"], exist_ok=True)
    serve(settings["server"]["http_listen_port"], {
        ("GET", "/ready"): well,
        ("POST", "/loki/api/v1/push"): push,
        ("GET", "/loki/api/v1/query_range"): query,
    }, counters)


def alloy(arguments):
    """Follows the files that `config.alloy` names, and pushes their lines to where it says."""
    with open(arguments[-1], encoding="utf-8") as file:
        text = file.read()
    path = re.search(r'__path__\s*=\s*"([^"]+)"', text)[1]
    labels = dict(re.findall(r'^\s+(service_\w+)\s*=\s*"([^"]+)"', text, re.MULTILINE))
    url = re.search(r'url\s*=\s*"([^"]+)"', text)[1]
    port = int(re.search(r":(\d+)$", next(word for word in arguments if "listen-addr" in word))[1])
    storage = next(word.split("=", 1)[1] for word in arguments if "storage.path" in word)
    counters = Counters()
    counters.add("loki_write_sent_entries_total", 0)
    beside(port, {("GET", "/-/ready"): well}, counters)
    places = {}
    while True:
        for name in glob.glob(path):
            follow(name, places, labels, url, counters)
        with open(os.path.join(storage, "positions"), "w", encoding="utf-8") as file:
            json.dump(list(places.values()), file)
        time.sleep(1)


def follow(name, places, labels, url, counters):
    """Pushes what was added to a file; one that was put aside is begun anew under its name."""
    with open(name, encoding="utf-8") as file:
        inode = os.fstat(file.fileno()).st_ino
        known, at = places.get(name, (inode, 0))
        file.seek(at if known == inode else 0)
        lines = [line for line in iter(file.readline, "") if line.endswith("\n")]
        streams = {}
        for line in lines:
            level = json.loads(line)["level"]
            streams.setdefault(level, []).append([str(time.time_ns()), line.rstrip("\n")])
        if streams:
            body = [{"stream": {**labels, "level": level}, "values": values} for level, values in streams.items()]
            post(url, json.dumps({"streams": body}).encode(), "application/json")
            counters.add("loki_write_sent_entries_total", len(lines))
        places[name] = (inode, file.tell())


def post(url, body, kind):
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=5):
        pass


def tempo(arguments):
    settings = config(arguments, r"config\.file")
    counters, lock, kept = Counters(), threading.Lock(), []
    counters.add("tempo_distributor_spans_received_total", 0)

    def take(_path, _query, body):
        found = spans(body)
        counters.add("tempo_distributor_spans_received_total", len(found))
        with lock:
            kept.extend(found)
            del kept[:-MOST]
        return 200, {}

    def trace(path, _query, _body):
        with lock:
            found = [span for span in kept if span["trace_id"] == path.rsplit("/", 1)[1]]
        return (200, {"spans": found}) if found else (404, "no such trace\n")

    os.makedirs(settings["storage"]["trace"]["wal"]["path"], exist_ok=True)
    http = settings["distributor"]["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    beside(int(http.rsplit(":", 1)[1]), {("POST", "/v1/traces"): take})
    serve(settings["server"]["http_listen_port"], {("GET", "/ready"): well, ("GET", "/api/traces/"): trace}, counters)


def collector(arguments):
    settings = config(arguments, "config")
    counters = Counters()
    for name in ("otelcol_receiver_accepted_spans_total", "otelcol_exporter_sent_spans_total"):
        counters.add(name, 0)
    pipeline = settings["service"]["pipelines"]["traces"]
    targets = [settings["exporters"][name]["endpoint"] for name in pipeline["exporters"]]

    def take(_path, _query, body):
        found = len(spans(body))
        counters.add("otelcol_receiver_accepted_spans_total", found)
        for target in targets:
            post(f"{target}/v1/traces", body, "application/x-protobuf")
            counters.add("otelcol_exporter_sent_spans_total", found)
        return 200, {}

    def port(endpoint):
        return int(endpoint.rsplit(":", 1)[1])

    metrics = settings["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    beside(metrics["port"], {}, counters)
    beside(port(settings["extensions"]["health_check"]["endpoint"]), {("GET", "/"): well})
    serve(port(settings["receivers"]["otlp"]["protocols"]["http"]["endpoint"]), {("POST", "/v1/traces"): take})


def grafana(_arguments):
    """Reads what it would provision, and lists it."""
    sources, boards = [], []
    for name in glob.glob("/etc/grafana/provisioning/datasources/*.yml"):
        with open(name, encoding="utf-8") as file:
            sources += yaml.safe_load(file)["datasources"]
    for name in glob.glob("/etc/grafana/provisioning/dashboards/*.yml"):
        with open(name, encoding="utf-8") as file:
            folders = [provider["options"]["path"] for provider in yaml.safe_load(file)["providers"]]
        for board in (board for folder in folders for board in glob.glob(f"{folder}/*.json")):
            with open(board, encoding="utf-8") as file:
                boards.append({"uid": json.load(file)["uid"]})
    with open("/var/lib/grafana/grafana.db", "w", encoding="utf-8") as file:
        file.write("a stand-in\n")
    counters = Counters()
    counters.add("grafana_stat_totals_dashboard", len(boards))
    serve(3000, {
        ("GET", "/api/health"): lambda *_: (200, {"database": "ok"}),
        ("GET", "/api/search"): lambda *_: (200, boards),
        ("GET", "/api/datasources"): lambda *_: (200, sources),
    }, counters)


if __name__ == "__main__":
    {"loki": loki, "alloy": alloy, "tempo": tempo, "collector": collector, "grafana": grafana}[sys.argv[1]](sys.argv[2:])
