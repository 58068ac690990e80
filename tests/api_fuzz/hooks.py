"""What keeps a fuzzer from sawing off the branch it sits on. Requests stay as they were drawn but for what is told here."""

import schemathesis

INSTANCE = "mydb"  # is there all the time
INSTANCES_MAX = 3  # that the fuzzer may have made; a further creation asks for a name that is taken
made = 0
met = 0


def never_ending(case):
    """A stream would be read for ever; streams have tests of their own."""
    if case.query.get("follow") not in (None, False, "false"):
        case.query["follow"] = "false"
    if "event-stream" in str(case.headers.get("Accept", "")):
        del case.headers["Accept"]


def is_creation(case):
    return case.method.upper() == "POST" and case.path == "/api/v1/instances"


def meet_the_instance(case):
    """Every other call about an instance is about the one that is there: names that were drawn are nobody's."""
    global met
    if case.path.startswith("/api/v1/instances/{name}"):
        met += 1
        if met % 2 == 0:
            case.path_parameters["name"] = INSTANCE


def spare_the_instance(case):
    if case.method.upper() == "DELETE" and case.path == "/api/v1/instances/{name}":
        if case.path_parameters.get("name") == INSTANCE:
            case.path_parameters["name"] = "spare"
    if case.path == "/api/v1/bulk/delete-instances" and isinstance(case.body, dict):
        names = case.body.get("names")
        if isinstance(names, list):
            case.body = {**case.body, "names": ["spare" if name == INSTANCE else name for name in names]}


def spare_the_token(case):
    """Its own, and so the rest of the run."""
    if case.path == "/api/v1/tokens/{name}" and str(case.path_parameters.get("name")).startswith("up-"):
        case.path_parameters["name"] = "nobody"


def keep_the_log(case):
    if case.path == "/api/v1/system/log-level" and isinstance(case.body, dict):
        if case.body.get("level") in ("off", "error", "warning", "debug"):
            case.body = {**case.body, "level": "info"}


def bound(body):
    """Of a name that is taken, once there are enough; one member each."""
    if not isinstance(body, dict):
        return body
    out = dict(body)
    if "name" in out and made >= INSTANCES_MAX:
        out["name"] = INSTANCE
    if out.get("standbys") in (2, 3, 4):
        out["standbys"] = 0
    return out


@schemathesis.hook
def before_call(context, case, kwargs):
    never_ending(case)
    meet_the_instance(case)
    spare_the_instance(case)
    spare_the_token(case)
    keep_the_log(case)
    if is_creation(case):
        case.body = bound(case.body)
    elif case.path == "/api/v1/bulk/create-instances" and isinstance(case.body, dict):
        items = case.body.get("instances")
        if isinstance(items, list):
            case.body = {**case.body, "instances": [bound(item) for item in items[: max(1, INSTANCES_MAX - made)]]}


@schemathesis.hook
def after_call(context, case, response):
    global made
    if is_creation(case) and response.status_code == 202:
        made += 1
    if case.path == "/api/v1/bulk/create-instances" and response.status_code == 207:
        made += response.json().get("accepted", 0)
