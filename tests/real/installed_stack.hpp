// A toygres that runs inside a real cluster, as tests/real/boot installs it, behind the face of the stack that the
// end-to-end cases know. Found by the kubeconfig that tests/real/boot leaves in the build.
#pragma once
#include "e2e/stack.hpp"
#include "kube/client.hpp"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace toygres::test {

class InstalledStack : public Stack {
  public:
    // Waits until all of its servers are ready.
    InstalledStack();

    void up(const std::string& crash_at = {}) override;
    std::string api_url() const override { return api_url_; }
    std::string token() const override { return token_; }
    std::string kubeconfig() const override { return kubeconfig_; }
    std::string database() const override;
    // The claims that volumes are kept for, but the CMS's own.
    std::vector<std::string> volumes() const override;

    // Names of the servers' pods that are not on their way out.
    std::vector<std::string> servers() const;
    bool servers_are_ready(std::size_t count = 2) const;
    // `kubectl -n toygres …`; fails the test unless it succeeds.
    std::string kubectl(const std::string& arguments) const;
    Json object(const std::string& kind, const std::string& name) const;
    std::vector<Json> list(const std::string& kind, const std::string& labels = {}) const;
    std::string secret(const std::string& name, const std::string& key) const;

  protected:
    std::string environment() const override;

  private:
    template <class F> auto with_kube(F&& use) const;

    std::string kubeconfig_;
    std::string api_url_;
    std::string token_;
};

// The one that shared_stack() gives in this program.
InstalledStack& installed_stack();

inline constexpr auto server_labels = "app.kubernetes.io/name=toygres,app.kubernetes.io/component=control-plane";

}  // namespace toygres::test
