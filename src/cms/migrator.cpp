#include "cms/migrator.hpp"

#include "base/crypto.hpp"
#include "embedded/migrations.hpp"

#include <fmt/format.h>
#include <pqxx/pqxx>

#include <map>

namespace toygres::cms {
namespace {

// Migration files are named NNNN_noun.sql, or NNNN_contract_noun.sql when they take something away that the release
// before may still use.
int number_of(std::string_view name) { return std::stoi(std::string(name.substr(0, 4))); }

bool contracts(std::string_view name) { return name.substr(4).starts_with("_contract_"); }

struct Applied {
    std::string name;
    std::string sha256;
};

// Of a schema that later releases have been at. It serves this release, too, as long as it was only added to.
Result<void> check_later(const std::map<int, Applied>& done, int known) {
    for (auto it = done.upper_bound(known); it != done.end(); ++it)
        if (contracts(it->second.name))
            return std::unexpected(
                Error{ErrorKind::conflict, "schema_too_new",
                      fmt::format("the schema is at migration {}, this release knows {}, and {} took away what it "
                                  "needs: run the release that migrated it, or a newer one",
                                  done.rbegin()->first, known, it->second.name)});
    return {};
}

std::string first_line(std::string text) { return text.substr(0, text.find('\n')); }

Result<MigrationReport> run(const std::string& conninfo, const std::string& schema,
                            const std::function<void(const std::string&)>& progress) {
    pqxx::connection connection(conninfo);
    const auto quoted = connection.quote_name(schema);
    {
        pqxx::nontransaction setup(connection);
        setup.exec("SET client_min_messages = warning");
        setup.exec("SELECT pg_advisory_lock(1953984359)");  // released with the session
        setup.exec(fmt::format("CREATE SCHEMA IF NOT EXISTS {}", quoted));
        setup.exec(fmt::format("SET search_path = {}", quoted));
        setup.exec(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text NOT NULL, "
            "sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())");
    }
    std::map<int, Applied> done;
    {
        pqxx::nontransaction read(connection);
        for (const auto& row : read.exec("SELECT number, name, sha256 FROM schema_migrations"))
            done.emplace(row[0].as<int>(), Applied{row[1].as<std::string>(), row[2].as<std::string>()});
    }
    if (auto serves = check_later(done, latest_migration()); !serves) return std::unexpected(serves.error());
    MigrationReport report{0, 0};
    for (const auto& [name, sql] : embedded::migrations()) {
        const auto number = number_of(name);
        const auto digest = sha256_hex(sql);
        report.version = number;
        if (const auto it = done.find(number); it != done.end()) {
            if (it->second.sha256 != digest)
                return std::unexpected(Error{ErrorKind::conflict, "migration_changed",
                                             fmt::format("migration {} differs from the one that was applied", name)});
            continue;
        }
        if (progress) progress(std::string(name));
        try {
            pqxx::work work(connection);
            work.exec(std::string(sql));
            work.exec_params("INSERT INTO schema_migrations (number, name, sha256) VALUES ($1, $2, $3)", number,
                             std::string(name), digest);
            work.commit();
        } catch (const pqxx::sql_error& e) {
            return std::unexpected(Error{ErrorKind::internal, "migration_failed",
                                         fmt::format("migration {}: {}", name, first_line(e.what()))});
        }
        ++report.applied;
    }
    if (!done.empty()) report.version = std::max(report.version, done.rbegin()->first);
    return report;
}

}  // namespace

int latest_migration() { return number_of(embedded::migrations().back().first); }

Result<MigrationReport> migrate(const std::string& conninfo, const std::string& schema,
                                const std::function<void(const std::string&)>& progress) {
    try {
        return run(conninfo, schema, progress);
    } catch (const std::exception& e) {
        return std::unexpected(Error{ErrorKind::transient, "database_unavailable", first_line(e.what())});
    }
}

}  // namespace toygres::cms
