// The stock kubectl against the embedded cluster's API.
#include "support/kubectl.hpp"

#include "unit/localkube/api_fixture.hpp"

#include <fmt/format.h>

using namespace toygres;
using namespace toygres::localkube;
using namespace toygres::localkube::test;
using toygres::test::exec_transports;
using toygres::test::kubectl_minor;

TEST_CASE("kubectl: discovery, version and access") {
    ApiFixture api;
    CHECK(has(api.ok("version -o json"), "\"gitVersion\": \"v1.32.0+toygres"));
    CHECK(has(api.ok("api-resources"), "statefulsets"));
    CHECK(has(api.ok("api-versions"), "policy/v1beta1"));
    CHECK(api.ok("auth can-i delete pods") == "yes\n");
    CHECK(has(api.ok("create --raw /apis/authentication.k8s.io/v1/selfsubjectreviews -f -",
                     R"({"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"})"),
              R"("username":"admin")"));
    if (kubectl_minor() >= 28) CHECK(has(api.ok("auth whoami"), "admin"));
    CHECK(api.ok("get --raw /readyz") == "ok");
}

TEST_CASE("kubectl: apply creates, changes, and says unchanged") {
    ApiFixture api;
    const auto created = api.kubectl("apply -f -", stateful_set_yaml("web"));
    CHECK(created.out == "statefulset.apps/web created\n");
    CHECK(created.err == "");
    CHECK(api.ok("apply -f -", stateful_set_yaml("web")) == "statefulset.apps/web unchanged\n");
    const auto version = api.get("sts web")["metadata"]["resourceVersion"];
    CHECK(api.ok("apply -f -", stateful_set_yaml("web", 1, "busybox:2")) == "statefulset.apps/web configured\n");
    const auto object = api.get("sts web");
    CHECK(object["metadata"]["resourceVersion"] != version);
    CHECK(object["metadata"]["generation"] == 2);
    const auto& container = object["spec"]["template"]["spec"]["containers"][0];
    CHECK(container["image"] == "busybox:2");
    CHECK(container["env"].size() == 2);
    CHECK(container["ports"] == Json{{{"containerPort", 80}, {"protocol", "TCP"}}});
    CHECK(container["imagePullPolicy"] == "IfNotPresent");
}

TEST_CASE("kubectl: a field that leaves the file leaves the object") {
    ApiFixture api;
    api.ok("apply -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: '1', b: '2'}\n");
    api.ok("apply -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {b: '2', c: '3'}\n");
    CHECK(api.get("cm c")["data"] == Json{{"b", "2"}, {"c", "3"}});
}

TEST_CASE("kubectl: apply takes a list of objects, in both ways") {
    ApiFixture api;
    const std::string list = R"(apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}, data: {k: v}}
)";
    CHECK(api.ok("apply --server-side -f -", list) ==
          "configmap/a serverside-applied\nconfigmap/b serverside-applied\n");
    CHECK(api.ok("delete -f -", list) == "configmap \"a\" deleted\nconfigmap \"b\" deleted\n");
    CHECK(api.ok("apply -f -", list) == "configmap/a created\nconfigmap/b created\n");
    CHECK(api.ok("apply -f -", list) == "configmap/a unchanged\nconfigmap/b unchanged\n");
    CHECK(api.ok("apply --server-side --force-conflicts -f -", list) ==
          "configmap/a serverside-applied\nconfigmap/b serverside-applied\n");
}

TEST_CASE("kubectl: server-side apply, its conflicts and its force") {
    ApiFixture api;
    CHECK(api.ok("apply --server-side -f -", stateful_set_yaml("web")) == "statefulset.apps/web serverside-applied\n");
    const auto version = api.get("sts web")["metadata"]["resourceVersion"];
    api.ok("apply --server-side -f -", stateful_set_yaml("web"));
    CHECK(api.get("sts web")["metadata"]["resourceVersion"] == version);
    const auto refused = api.kubectl("apply --server-side --field-manager=other -f -", stateful_set_yaml("web", 3));
    CHECK(refused.code != 0);
    CHECK(has(refused.err, "conflict with \"kubectl\" using apps/v1: .spec.replicas"));
    api.ok("apply --server-side --field-manager=other --force-conflicts -f -", stateful_set_yaml("web", 3));
    CHECK(api.get("sts web")["spec"]["replicas"] == 3);
    api.ok("scale sts web --replicas=2");
    CHECK(has(api.kubectl("apply --server-side --field-manager=other -f -", stateful_set_yaml("web", 3)).err,
              ".spec.replicas"));
}

TEST_CASE("kubectl: from client-side to server-side apply") {
    ApiFixture api;
    api.ok("apply -f -", stateful_set_yaml("web"));
    const auto early = api.kubectl("apply --server-side -f -", stateful_set_yaml("web", 2));
    CHECK(has(early.err, "conflict with \"kubectl-client-side-apply\" using apps/v1: .spec.replicas"));
    // kubectl hands the old manager's fields over once nothing conflicts; older ones leave them where they are.
    api.ok("apply --server-side -f -", stateful_set_yaml("web"));
    const std::string force = kubectl_minor() < 26 ? "--force-conflicts " : "";
    api.ok("apply --server-side " + force + "-f -", stateful_set_yaml("web", 2));
    CHECK(api.get("sts web")["spec"]["replicas"] == 2);
}

TEST_CASE("kubectl: tables of all kinds") {
    ApiFixture api;
    api.ok("apply -f -", stateful_set_yaml("web"));
    api.ok("apply -f -", pod_yaml("p", "app: x, tier: db"));
    api.ok("create secret generic s --from-literal=a=b");
    api.ok("create service clusterip svc --tcp=80:8080");
    api.ok("create configmap c --from-literal=a=b");
    api.ok("create job j --image=busybox -- true");
    api.ok("create cronjob cj --image=busybox --schedule='*/5 * * * *' -- true");
    api.ok("create role r --verb=get --resource=pods");
    api.ok("create rolebinding rb --role=r --serviceaccount=default:sa");
    api.ok("create poddisruptionbudget pdb --selector=app=x --min-available=1");
    CHECK(has(api.ok("get sts"), "NAME   READY   AGE"));
    CHECK(has(api.ok("get sts -o wide"), "main         busybox:1"));
    const auto pods = api.ok("get pods -o wide");
    CHECK(has(pods, "NAME   READY   STATUS    RESTARTS   AGE"));
    CHECK(has(pods, "NOMINATED NODE"));
    CHECK(has(pods, "p      0/1     Pending   0"));
    CHECK(has(api.ok("get pods --show-labels"), "app=x,tier=db"));
    CHECK(has(api.ok("get pods -L tier"), "TIER"));
    CHECK(has(api.ok("get secrets"), "s      Opaque   1"));
    CHECK(has(api.ok("get svc"), "ClusterIP"));
    CHECK(has(api.ok("get cm"), "c      1"));
    CHECK(has(api.ok("get jobs"), "0/1"));
    CHECK(has(api.ok("get jobs -o wide"), "batch.kubernetes.io/controller-uid="));
    CHECK(has(api.ok("get cj"), "*/5 * * * *"));
    CHECK(has(api.ok("get roles"), "CREATED AT"));
    CHECK(has(api.ok("get rolebindings -o wide"), "default/sa"));
    CHECK(has(api.ok("get pdb"), "1               N/A"));
    CHECK(has(api.ok("get ns"), "default       Active"));
    CHECK(has(api.ok("get all"), "statefulset.apps/web"));
    CHECK(has(api.ok("get pods -A"), "NAMESPACE"));
    for (const char* kind : {"pvc", "pv", "sa", "ev", "no", "netpol", "leases", "ep"})
        CHECK(api.kubectl(fmt::format("get {}", kind)).code == 0);
    CHECK(has(api.ok("get pods --sort-by=.metadata.name"), "p "));
    CHECK(api.ok("get pods -o name") == "pod/p\n");
}

TEST_CASE("kubectl: describe") {
    ApiFixture api;
    api.ok("apply -f -", stateful_set_yaml("web"));
    api.ok("apply -f -", pod_yaml("p"));
    api.ok("create secret generic s --from-literal=a=b");
    api.ok("create service clusterip svc --tcp=80:8080");
    const auto uid = api.get("pod p")["metadata"]["uid"].get<std::string>();
    api.on_server([&] {
        value_or_raise(api.store().create(
            {"events", "default", "p.1"},
            {{"apiVersion", "v1"},
             {"kind", "Event"},
             {"metadata", {{"name", "p.1"}, {"namespace", "default"}}},
             {"involvedObject", {{"kind", "Pod"}, {"name", "p"}, {"namespace", "default"}, {"uid", uid}}},
             {"reason", "Scheduled"},
             {"message", "it was"},
             {"type", "Normal"},
             {"count", 1}}));
    });
    const auto pod = api.ok("describe pod p");
    CHECK(has(pod, "Image:        busybox:1"));
    CHECK(has(pod, "it was"));
    CHECK(has(api.ok("describe sts web"), "Replicas:"));
    CHECK(has(api.ok("describe secret s"), "a:  1 bytes"));
    CHECK(has(api.ok("describe svc svc"), "80/TCP"));
    CHECK(has(api.ok("describe ns default"), "Status:       Active"));
}

TEST_CASE("kubectl: patch in its three forms, label, annotate, edit by replace") {
    ApiFixture api;
    api.ok("apply -f -", stateful_set_yaml("web"));
    api.ok(R"(patch sts web -p '{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"busybox:3"}]}}}}')");
    CHECK(api.get("sts web")["spec"]["template"]["spec"]["containers"][0]["env"].size() == 2);
    api.ok(R"(patch sts web --type=merge -p '{"spec":{"replicas":0}}')");
    api.ok(R"(patch sts web --type=json -p '[{"op":"add","path":"/metadata/labels/z","value":"1"}]')");
    CHECK(api.get("sts web")["metadata"]["labels"]["z"] == "1");
    api.ok("label sts web role=primary");
    api.ok("annotate sts web note=x");
    CHECK(api.kubectl("get sts -l role=primary -o name").out == "statefulset.apps/web\n");
    auto object = api.get("sts web");
    object["spec"]["replicas"] = 4;
    api.ok("replace -f -", object.dump());
    const auto stale = api.kubectl("replace -f -", object.dump());
    CHECK(
        has(stale.err, "the object has been modified; please apply your changes to the latest version and try again"));
}

TEST_CASE("kubectl: delete, cascade, wait and dry run") {
    ApiFixture api;
    api.ok("apply -f -", pod_yaml("p"));
    CHECK(api.ok("delete pod p") == "pod \"p\" deleted\n");
    CHECK(has(api.kubectl("get pod p").err, "Error from server (NotFound): pods \"p\" not found"));
    CHECK(api.ok("apply --dry-run=server -f -", pod_yaml("q")) == "pod/q created (server dry run)\n");
    CHECK(api.kubectl("get pod q").code != 0);
    api.ok("create configmap c1 --from-literal=a=b");
    api.ok("label configmap c1 x=y");
    api.ok("delete configmap -l x=y");
    api.ok("create configmap c2 --from-literal=a=b");
    api.ok("delete configmap --all --cascade=orphan");
    CHECK(api.ok("get configmap -o name") == "");
    api.ok("apply -f -", pod_yaml("w"));
    api.on_server([&] {
        value_or_raise(api.store().mutate({"pods", "default", "w"}, [](Object& pod) {
            pod["status"]["conditions"] = {{{"type", "Ready"}, {"status", "True"}}};
        }));
    });
    CHECK(has(api.ok("wait pod w --for=condition=Ready --timeout=20s"), "condition met"));
    if (kubectl_minor() >= 23) api.ok("wait pod w --for=jsonpath='{.status.phase}'=Pending --timeout=20s");
}

TEST_CASE("kubectl: a pod that runs ends in its own time") {
    ApiFixture api;
    api.ok("apply -f -", pod_yaml("p"));
    const ObjectKey key{"pods", "default", "p"};
    api.on_server([&] {
        value_or_raise(api.store().mutate(key, [](Object& pod) {
            pod["spec"]["nodeName"] = "local";
            pod["status"]["phase"] = "Running";
        }));
    });
    Following deleting(api, {"delete", "pod", "p", "--grace-period=7", "--timeout=30s"});
    deleting.line_with("pod \"p\" deleted");
    const auto pod = api.get("pod p");
    CHECK(pod["metadata"]["deletionGracePeriodSeconds"] == 7);
    CHECK(has(api.ok("get pod p"), "Terminating"));
    CHECK(api.kubectl("wait pod/p --for=delete --timeout=0").code != 0);
    api.on_server([&] { api.store().purge(key); });
    CHECK(deleting.exit_code() == 0);
    CHECK(has(api.kubectl("get pod p").err, "not found"));
    if (kubectl_minor() >= 23) api.ok("wait pod/p --for=delete --timeout=30s");
}

TEST_CASE("kubectl: get -w shows changes as tables") {
    ApiFixture api;
    Following watching(api, {"get", "pods", "-w", "-l", "app=x"});
    api.ok("apply -f -", pod_yaml("other", "app: z"));
    api.ok("apply -f -", pod_yaml("p"));
    CHECK(has(watching.line_with("Pending"), "p "));
    api.on_server([&] {
        value_or_raise(
            api.store().mutate({"pods", "default", "p"}, [](Object& pod) { pod["status"]["phase"] = "Running"; }));
    });
    CHECK(has(watching.line_with("Running"), "p "));
    Following events(api, {"get", "pods", "-w", "--output-watch-events", "-l", "app=x"});
    events.line_with("ADDED");
    api.ok("label pod p app=y --overwrite");
    events.line_with("DELETED");
}

TEST_CASE("kubectl: logs and exec") {
    ApiFixture api;
    api.node().lines["main"] = {"one", "two", "three"};
    api.ok("apply -f -", pod_yaml("p"));
    CHECK(api.ok("logs p") == "one\ntwo\nthree\n");
    CHECK(api.ok("logs p --tail=1") == "three\n");
    Following following(api, {"logs", "-f", "p"});
    following.line_with("three");
    CHECK(has(api.kubectl("logs p -c nope").err, "container nope is not valid for pod p"));
}

TEST_CASE("kubectl: exec over every transport") {
    ApiFixture api;
    api.ok("apply -f -", pod_yaml("p"));
    for (const auto& transport : exec_transports()) {
        INFO(transport);
        api.environment = transport;
        const bool spdy = transport.ends_with("false");
        CHECK(has(api.kubectl("exec -v=8 p -- true").err, "X-Stream-Protocol-Version") == spdy);
        CHECK(api.ok("exec p -- echo hello") == "hello\n");
        const auto failed = api.kubectl("exec p -- sh -c 'echo out; echo oops >&2; exit 7'");
        CHECK(failed.code == 7);
        CHECK(failed.out == "out\n");
        CHECK(failed.err == "oops\ncommand terminated with exit code 7\n");
        CHECK(api.ok("exec -i p -- cat", "from stdin") == "from stdin");
        CHECK(api.ok("exec -i p -- cat", "") == "");
        CHECK(api.ok("exec p -- head -c 3000000 /dev/zero") == std::string(3'000'000, '\0'));
        std::string large;
        while (large.size() < 3'000'000) large += fmt::format("line {} of what comes back unharmed\n", large.size());
        CHECK(api.ok("exec -i p -- cat", large) == large);
        // A command that ends before it has read everything.
        CHECK(api.ok("exec -i p -- head -n 1", large) == "line 0 of what comes back unharmed\n");
        CHECK(has(api.kubectl("exec nope -- true").err, "pods \"nope\" not found"));
        CHECK(has(api.kubectl("exec p -c stopped -- true").err, "container stopped is not valid for pod p"));
    }
}

TEST_CASE("kubectl: errors are those of Kubernetes") {
    ApiFixture api;
    CHECK(has(api.kubectl("create configmap Bad_Name").err, "a lowercase RFC 1123 subdomain must consist of"));
    api.ok("apply -f -", stateful_set_yaml("web"));
    auto object = api.get("sts web");
    object["spec"]["serviceName"] = "other";
    CHECK(has(api.kubectl("replace -f -", object.dump()).err,
              "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
              "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"));
    object = api.get("sts web");
    object["spec"]["template"]["metadata"]["labels"]["app"] = "other";
    CHECK(has(api.kubectl("replace -f -", object.dump()).err, "`selector` does not match template `labels`"));
    CHECK(has(api.kubectl("create configmap web -n nowhere").err, "namespaces \"nowhere\" not found"));
    api.ok("create configmap c");
    CHECK(has(api.kubectl("create configmap c").err, "configmaps \"c\" already exists"));
    CHECK(has(api.kubectl("get widgets").err, "the server doesn't have a resource type \"widgets\""));
    CHECK(has(api.kubectl("apply -f -",
                          "apiVersion: v1\nkind: Pod\nmetadata: {name: e}\nspec: {containers: [{name: a, "
                          "image: b, env: [{name: X, value: 5}]}]}\n")
                  .err,
              "spec.containers[0].env[0].value: expected a string"));
    CHECK(has(api.kubectl("apply -f -", "apiVersion: v1\nkind: Pod\nmetadata: {name: e}\nspec: {containers: []}\n").err,
              "spec.containers: Required value"));
}

TEST_CASE("kubectl: a field that does not exist is refused") {
    ApiFixture api;
    auto yaml = stateful_set_yaml("web");
    yaml.replace(yaml.find("replicas:"), 9, "replcas:");
    CHECK(has(api.kubectl("apply --server-side -f -", yaml).err, ".spec.replcas: field not declared in schema"));
    // Older ones do not ask for strictness, and get a warning.
    if (kubectl_minor() < 25) {
        CHECK(has(api.kubectl("apply -f -", yaml).err, "Warning: unknown field \"spec.replcas\""));
    } else {
        CHECK(has(api.kubectl("apply -f -", yaml).err, "strict decoding error: unknown field \"spec.replcas\""));
        api.ok("apply --validate=ignore -f -", yaml);
    }
    CHECK(!api.get("sts web")["spec"].contains("replcas"));
    api.ok("patch sts web --type=merge -p '{\"spec\": {\"replicas\": 2}}'");
}

TEST_CASE("kubectl: a token for a service account") {
    ApiFixture api;
    api.ok("create serviceaccount robot");
    const auto ask = [&](const std::string& account) {
        return api.kubectl("create --raw /api/v1/namespaces/default/serviceaccounts/" + account + "/token -f -",
                           R"({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1"})");
    };
    CHECK(has(ask("robot").out, R"("token":"sa:default:robot")"));
    CHECK(ask("nobody").code != 0);
    if (kubectl_minor() >= 24) CHECK(api.ok("create token robot") == "sa:default:robot");
}

TEST_CASE("kubectl: a terminal's size reaches the process") {
    ApiFixture api;
    api.ok("apply -f -", pod_yaml("p"));
    int columns = 101;
    for (const auto& transport : exec_transports()) {
        auto command = fmt::format("stty cols {} rows 43; {}", ++columns, transport);
        for (const auto& word : api.kubectl_words()) command += " " + word;
        const Following terminal({"script", "-qec", command + " exec -it p -- cat", "/dev/null"});
        eventually([&] { return api.on_server([&] { return api.node().columns; }) == columns; });
    }
}

TEST_CASE("kubectl: a service account may do what its roles say") {
    ApiFixture api;
    api.ok("create configmap topology --from-literal=a=b");
    api.ok("create configmap other --from-literal=a=b");
    api.ok("create role r --verb=get,watch --resource=configmaps --resource-name=topology");
    api.ok("create rolebinding rb --role=r --serviceaccount=default:agent");
    CHECK(api.kubectl_as("default:agent", "get cm topology").code == 0);
    const auto refused = api.kubectl_as("default:agent", "get cm other");
    CHECK(has(refused.err,
              "configmaps \"other\" is forbidden: User \"system:serviceaccount:default:agent\" cannot get "
              "resource \"configmaps\" in API group \"\" in the namespace \"default\""));
    CHECK(api.kubectl_as("default:agent", "delete cm topology").code != 0);
    CHECK(api.kubectl_as("default:stranger", "get cm topology").code != 0);
    CHECK(api.kubectl_as("default:agent", "auth can-i get cm/topology").out == "yes\n");
    CHECK(api.kubectl_as("default:agent", "auth can-i list pods").out == "no\n");
}

TEST_CASE("kubectl: a role on one name allows lists and watches that ask for that name alone") {
    ApiFixture api;
    api.ok("create configmap topology --from-literal=a=b");
    api.ok("create configmap other --from-literal=a=b");
    api.ok("create role r --verb=get,list,watch --resource=configmaps --resource-name=topology");
    api.ok("create rolebinding rb --role=r --serviceaccount=default:agent");
    CHECK(api.kubectl_as("default:agent", "get cm --field-selector=metadata.name=topology -o name").out ==
          "configmap/topology\n");
    CHECK(api.kubectl_as("default:agent", "get cm --field-selector=metadata.namespace=default,metadata.name==topology")
              .code == 0);
    if (kubectl_minor() >= 23)
        CHECK(api.kubectl_as("default:agent", "wait cm/topology --for=jsonpath='{.data.a}'=b --timeout=20s").code == 0);
    for (const auto* refused :
         {"get cm", "get cm --field-selector=metadata.name=other", "get cm --field-selector=metadata.name!=topology",
          "get cm --field-selector=metadata.namespace=topology"})
        CHECK(has(api.kubectl_as("default:agent", refused).err, "cannot list resource \"configmaps\""));
}

TEST_CASE("kubectl: a wrong token is unauthorized") {
    ApiFixture api;
    CHECK(has(api.kubectl_as("", "get pods --token=wrong").err, "You must be logged in to the server"));
}

TEST_CASE("kubectl: run, set image, diff, edit, events, namespaces, rollout") {
    ApiFixture api;
    api.ok("create namespace team");
    api.ok("run box --image=busybox:1 -n team -- sleep 1");
    CHECK(api.get("pod box -n team")["spec"]["containers"][0]["args"] == Json{"sleep", "1"});
    api.ok("set image pod/box box=busybox:2 -n team");
    CHECK(api.get("pod box -n team")["spec"]["containers"][0]["image"] == "busybox:2");
    api.ok("delete ns team --wait=false");
    CHECK(has(api.ok("get ns team"), "Terminating"));
    CHECK(has(api.kubectl("create configmap c -n team").err, "because it is being terminated"));

    api.ok("apply -f -", stateful_set_yaml("web"));
    CHECK(api.kubectl("diff -f -", stateful_set_yaml("web")).code == 0);
    const auto differs = api.kubectl("diff -f -", stateful_set_yaml("web", 5));
    CHECK(differs.code == 1);
    CHECK(has(differs.out, "+  replicas: 5"));
    api.ok("set env sts/web A=9");
    CHECK(api.get("sts web")["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"] == "9");
    api.ok("rollout restart sts/web");
    CHECK(api.get("sts web")["spec"]["template"]["metadata"]["annotations"].contains(
        "kubectl.kubernetes.io/restartedAt"));
    if (kubectl_minor() >= 26) CHECK(api.kubectl("events").code == 0);
}
