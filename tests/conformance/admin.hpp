// One session as superuser for all cases, which comes back by itself after the server was restarted.
#pragma once
#include <pqxx/pqxx>

#include <memory>
#include <string>

namespace toygres::test {

// Runs `work` in a transaction with that search path, which may be empty.
template <class Work> auto as_admin(const std::string& conninfo, const std::string& schema, const Work& work) {
    static std::unique_ptr<pqxx::connection> session;
    for (int attempt = 0;; ++attempt) try {
            if (!session) session = std::make_unique<pqxx::connection>(conninfo);
            pqxx::work transaction(*session);
            if (!schema.empty()) transaction.exec("SET LOCAL search_path = " + schema);
            auto out = work(transaction);
            transaction.commit();
            return out;
        } catch (const pqxx::broken_connection&) {
            session.reset();
            if (attempt == 1) throw;
        }
}

}  // namespace toygres::test
