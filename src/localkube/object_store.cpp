#include "localkube/object_store.hpp"

#include "base/assert.hpp"
#include "base/crypto.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <deque>

namespace toygres::localkube {
namespace {

constexpr std::size_t events_kept = 4096;

// Kubernetes' metav1.Time: whole seconds.
std::string stamp(Timestamp t) { return format_rfc3339(t).substr(0, 19) + "Z"; }

bool has_items(const Object& parent, const char* list) {
    const auto it = parent.find(list);
    return it != parent.end() && it->is_array() && !it->empty();
}

bool has_finalizers(const ObjectKey& key, const Object& object) {
    if (has_items(object.at("metadata"), "finalizers")) return true;
    return key.resource == "namespaces" && object.contains("spec") && has_items(object["spec"], "finalizers");
}

// Deletion was asked for and nothing holds the object any longer.
bool is_due_to_go(const ObjectKey& key, const Object& object) {
    const auto& metadata = object.at("metadata");
    return metadata.contains("deletionTimestamp") && metadata.value("deletionGracePeriodSeconds", 0) == 0 &&
           !has_finalizers(key, object);
}

Error not_found(const ObjectKey& key) {
    return {ErrorKind::not_found, "object_not_found", fmt::format("{} \"{}\" not found", key.resource, key.name)};
}

class Statement {
  public:
    Statement(sqlite3* db, const char* sql) {
        if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) != SQLITE_OK)
            raise(ErrorKind::internal, "store_unusable", sqlite3_errmsg(db));
    }
    Statement(const Statement&) = delete;
    Statement& operator=(const Statement&) = delete;
    ~Statement() { sqlite3_finalize(statement_); }

    void bind(int index, std::string_view text) {
        sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
    }
    void bind(int index, std::uint64_t number) {
        sqlite3_bind_int64(statement_, index, static_cast<sqlite3_int64>(number));
    }
    // True while there is a row.
    bool step() {
        const int status = sqlite3_step(statement_);
        if (status == SQLITE_ROW) return true;
        const auto problem = status == SQLITE_DONE ? nullptr : sqlite3_errmsg(sqlite3_db_handle(statement_));
        const std::string message = problem ? problem : "";
        sqlite3_reset(statement_);
        if (problem) raise(ErrorKind::internal, "store_unusable", message);
        return false;
    }
    std::string text(int column) const {
        const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
        return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
    }
    std::uint64_t number(int column) const {
        return static_cast<std::uint64_t>(sqlite3_column_int64(statement_, column));
    }

  private:
    sqlite3_stmt* statement_ = nullptr;
};

}  // namespace

class ObjectStore::Impl {
  public:
    explicit Impl(const std::string& path) {
        sqlite3* raw = nullptr;
        const int opened = sqlite3_open(path.c_str(), &raw);
        db_.reset(raw);
        if (opened != SQLITE_OK)
            raise(ErrorKind::internal, "store_unusable", fmt::format("{}: {}", path, sqlite3_errmsg(raw)));
        sqlite3_busy_timeout(raw, 5000);
        // NORMAL: a killed process loses nothing, a crashed machine at most the last moments.
        run("PRAGMA journal_mode=WAL");
        run("PRAGMA synchronous=NORMAL");
        run("CREATE TABLE IF NOT EXISTS objects (resource TEXT NOT NULL, ns TEXT NOT NULL, name TEXT NOT NULL, "
            "rv INTEGER NOT NULL, json TEXT NOT NULL, PRIMARY KEY (resource, ns, name)) WITHOUT ROWID");
        run("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID");
        load();
        begin_.emplace(raw, "BEGIN IMMEDIATE");
        commit_.emplace(raw, "COMMIT");
        rollback_.emplace(raw, "ROLLBACK");
        upsert_.emplace(raw,
                        "INSERT INTO objects VALUES (?,?,?,?,?) ON CONFLICT (resource, ns, name) DO UPDATE SET "
                        "rv = excluded.rv, json = excluded.json");
        erase_.emplace(raw, "DELETE FROM objects WHERE resource = ? AND ns = ? AND name = ?");
        version_.emplace(raw,
                         "INSERT INTO meta VALUES ('resource_version', ?) ON CONFLICT (key) DO UPDATE SET "
                         "value = excluded.value");
    }

    Result<ObjectPtr> create(const ObjectKey& key, Object object) {
        if (objects_.contains(key))
            return std::unexpected(Error{ErrorKind::conflict, "already_exists",
                                         fmt::format("{} \"{}\" already exists", key.resource, key.name)});
        auto& metadata = object["metadata"];
        metadata["name"] = key.name;
        if (!key.ns.empty()) metadata["namespace"] = key.ns;
        metadata["uid"] = random_uuid();
        metadata["creationTimestamp"] = stamp(now());
        metadata.erase("deletionTimestamp");
        metadata.erase("deletionGracePeriodSeconds");
        if (key.resource == "namespaces") {
            object["spec"]["finalizers"] = Json::array({"kubernetes"});
            object["status"]["phase"] = "Active";
        }
        // A job's pods are those with its uid; without a selector all pods would pass for them.
        if (key.resource == "jobs" && object.contains("spec") && !object["spec"].contains("selector"))
            object["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = metadata["uid"];
        if (object.contains("spec")) metadata["generation"] = 1;
        return put(key, std::move(object), nullptr);
    }

    Result<ObjectPtr> update(const ObjectKey& key, Object object) {
        const auto before = get(key);
        if (!before) return std::unexpected(not_found(key));
        const auto& old = before->at("metadata");
        auto& metadata = object["metadata"];
        const auto differs = [&](const char* field) {
            const auto it = metadata.find(field);
            return it != metadata.end() && !it->is_null() && *it != "" && *it != old.at(field);
        };
        if (differs("resourceVersion") || differs("uid"))
            return std::unexpected(Error{
                ErrorKind::conflict, "stale_object",
                fmt::format("Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply "
                            "your changes to the latest version and try again",
                            key.resource, key.name)});
        return replace(key, std::move(object), before);
    }

    Result<ObjectPtr> mutate(const ObjectKey& key, const std::function<void(Object&)>& change) {
        const auto before = get(key);
        if (!before) return std::unexpected(not_found(key));
        auto object = *before;
        change(object);
        return replace(key, std::move(object), before);
    }

    Result<ObjectPtr> remove(const ObjectKey& key, int grace_seconds) {
        const auto before = get(key);
        if (!before) return std::unexpected(not_found(key));
        auto object = *before;
        auto& metadata = object["metadata"];
        const bool terminating = metadata.contains("deletionTimestamp");
        // A second request may shorten the grace, never lengthen it.
        if (!terminating || grace_seconds < metadata.value("deletionGracePeriodSeconds", 0)) {
            metadata["deletionTimestamp"] = stamp(now() + std::chrono::seconds(grace_seconds));
            metadata["deletionGracePeriodSeconds"] = grace_seconds;
            if (key.resource == "namespaces") object["status"]["phase"] = "Terminating";
        }
        if (!is_due_to_go(key, object) && object == *before) return before;
        return put(key, std::move(object), before);
    }

    void purge(const ObjectKey& key) {
        if (const auto before = get(key)) erase(key, *before, before);
    }

    ObjectPtr get(const ObjectKey& key) const {
        const auto it = objects_.find(key);
        return it == objects_.end() ? nullptr : it->second;
    }

    std::vector<ObjectPtr> list(const std::string& resource, const std::string& ns) const {
        std::vector<ObjectPtr> out;
        for (auto it = objects_.lower_bound({resource, ns, ""}); it != objects_.end(); ++it) {
            if (it->first.resource != resource || (!ns.empty() && it->first.ns != ns)) break;
            out.push_back(it->second);
        }
        return out;
    }

    Subscription subscribe(std::function<void(const WatchEvent&)> on_event) {
        auto handler = std::make_shared<std::function<void(const WatchEvent&)>>(std::move(on_event));
        subscribers_.push_back(handler);
        return handler;
    }

    std::optional<std::vector<WatchEvent>> since(std::uint64_t version) const {
        if (version < forgotten_ || version > resource_version_) return std::nullopt;
        std::vector<WatchEvent> out;
        for (auto it = events_.rbegin(); it != events_.rend() && it->resource_version > version; ++it)
            out.push_back(*it);
        std::reverse(out.begin(), out.end());
        return out;
    }

    std::uint64_t resource_version_ = 1;

  private:
    using Handler = std::function<void(const WatchEvent&)>;

    void run(const char* sql) {
        char* problem = nullptr;
        if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, &problem) == SQLITE_OK) return;
        const std::string message = problem ? problem : "unknown";
        sqlite3_free(problem);
        raise(ErrorKind::internal, "store_unusable", message);
    }

    void load() {
        Statement versions(db_.get(), "SELECT value FROM meta WHERE key = 'resource_version'");
        while (versions.step()) resource_version_ = versions.number(0);
        Statement rows(db_.get(), "SELECT resource, ns, name, json FROM objects");
        while (rows.step()) {
            auto object = parse_json(rows.text(3));
            if (!object) raise(ErrorKind::internal, "store_unusable", object.error().message);
            objects_[{rows.text(0), rows.text(1), rows.text(2)}] = std::make_shared<const Object>(*std::move(object));
        }
        forgotten_ = resource_version_;
    }

    // What only the store may set is taken over from `before`.
    Result<ObjectPtr> replace(const ObjectKey& key, Object object, const ObjectPtr& before) {
        const auto& old = before->at("metadata");
        auto& metadata = object["metadata"];
        for (const char* field : {"name", "namespace", "uid", "creationTimestamp", "resourceVersion", "generation",
                                  "deletionTimestamp", "deletionGracePeriodSeconds"}) {
            if (old.contains(field))
                metadata[field] = old[field];
            else
                metadata.erase(field);
        }
        if (metadata.contains("generation") && object.value("spec", Json()) != before->value("spec", Json()))
            metadata["generation"] = old["generation"].get<std::int64_t>() + 1;
        if (object == *before && !is_due_to_go(key, object)) return before;
        return put(key, std::move(object), before);
    }

    Result<ObjectPtr> put(const ObjectKey& key, Object object, const ObjectPtr& before) {
        if (is_due_to_go(key, object)) return erase(key, std::move(object), before);
        const auto version = resource_version_ + 1;
        object["metadata"]["resourceVersion"] = std::to_string(version);
        const auto text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
        write(version, [&] {
            bind_key(*upsert_, key);
            upsert_->bind(4, version);
            upsert_->bind(5, text);
            upsert_->step();
        });
        auto stored = std::make_shared<const Object>(std::move(object));
        objects_[key] = stored;
        publish({before ? EventType::modified : EventType::added, key, stored, before, version});
        return stored;
    }

    ObjectPtr erase(const ObjectKey& key, Object object, const ObjectPtr& before) {
        const auto version = resource_version_ + 1;
        object["metadata"]["resourceVersion"] = std::to_string(version);
        write(version, [&] {
            bind_key(*erase_, key);
            erase_->step();
        });
        objects_.erase(key);
        auto last = std::make_shared<const Object>(std::move(object));
        publish({EventType::deleted, key, last, before, version});
        return last;
    }

    static void bind_key(Statement& statement, const ObjectKey& key) {
        statement.bind(1, key.resource);
        statement.bind(2, key.ns);
        statement.bind(3, key.name);
    }

    template <class F> void write(std::uint64_t version, F&& change) {
        begin_->step();
        try {
            change();
            version_->bind(1, version);
            version_->step();
            commit_->step();
        } catch (const ErrorException&) {
            if (!sqlite3_get_autocommit(db_.get())) rollback_->step();
            throw;
        }
    }

    // A subscriber may change objects: what it caused is delivered after the event it reacts to, to everybody.
    void publish(WatchEvent event) {
        resource_version_ = event.resource_version;
        events_.push_back(event);
        if (events_.size() > events_kept) {
            forgotten_ = events_.front().resource_version;
            events_.pop_front();
        }
        undelivered_.push_back(std::move(event));
        if (delivering_) return;
        delivering_ = true;
        while (!undelivered_.empty()) {
            const auto next = std::move(undelivered_.front());
            undelivered_.pop_front();
            std::erase_if(subscribers_, [](const auto& s) { return s.expired(); });
            const auto current = subscribers_;
            for (const auto& weak : current)
                if (const auto handler = weak.lock()) (*handler)(next);
        }
        delivering_ = false;
    }

    struct CloseDb {
        void operator()(sqlite3* db) const { sqlite3_close(db); }
    };
    std::unique_ptr<sqlite3, CloseDb> db_;
    std::optional<Statement> begin_, commit_, rollback_, upsert_, erase_, version_;
    std::map<ObjectKey, ObjectPtr> objects_;
    std::deque<WatchEvent> events_;
    std::uint64_t forgotten_ = 0;  // changes up to this one are not in events_
    std::vector<std::weak_ptr<Handler>> subscribers_;
    std::deque<WatchEvent> undelivered_;
    bool delivering_ = false;
};

ObjectStore::ObjectStore(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
ObjectStore::~ObjectStore() = default;

Result<ObjectPtr> ObjectStore::create(const ObjectKey& key, Object object) {
    return impl_->create(key, std::move(object));
}
Result<ObjectPtr> ObjectStore::update(const ObjectKey& key, Object object) {
    return impl_->update(key, std::move(object));
}
Result<ObjectPtr> ObjectStore::mutate(const ObjectKey& key, const std::function<void(Object&)>& change) {
    return impl_->mutate(key, change);
}
Result<ObjectPtr> ObjectStore::remove(const ObjectKey& key, int grace_seconds) {
    return impl_->remove(key, grace_seconds);
}
void ObjectStore::purge(const ObjectKey& key) { impl_->purge(key); }
ObjectPtr ObjectStore::get(const ObjectKey& key) const { return impl_->get(key); }
std::vector<ObjectPtr> ObjectStore::list(const std::string& resource, const std::string& ns) const {
    return impl_->list(resource, ns);
}
std::uint64_t ObjectStore::resource_version() const { return impl_->resource_version_; }
ObjectStore::Subscription ObjectStore::subscribe(std::function<void(const WatchEvent&)> on_event) {
    return impl_->subscribe(std::move(on_event));
}
std::optional<std::vector<WatchEvent>> ObjectStore::since(std::uint64_t resource_version) const {
    return impl_->since(resource_version);
}

Result<ObjectKey> key_of(const Object& object) {
    const auto invalid = [](std::string message) {
        return std::unexpected(Error{ErrorKind::invalid, "invalid_object", std::move(message)});
    };
    if (!object.is_object()) return invalid("an object is expected");
    const auto kind = object.find("kind");
    const auto metadata = object.find("metadata");
    if (kind == object.end() || !kind->is_string()) return invalid("kind: is required");
    if (metadata == object.end() || !metadata->is_object()) return invalid("metadata: is required");
    const auto* type = find_kind(kind->get_ref<const std::string&>());
    if (!type) return invalid(fmt::format("kind: no kind \"{}\" here", kind->get_ref<const std::string&>()));
    const auto text = [&](const char* field) {
        const auto it = metadata->find(field);
        return it != metadata->end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    ObjectKey key{type->plural, type->namespaced ? text("namespace") : std::string(), text("name")};
    if (key.name.empty()) return invalid("metadata.name: is required");
    if (type->namespaced && key.ns.empty()) return invalid("metadata.namespace: is required");
    return key;
}

}  // namespace toygres::localkube
