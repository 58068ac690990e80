// How long a test waits for what has to come before it fails. Nothing is meant to take so long; but where a suite runs
// is not always quick: a kubelet may keep the object of a pod that has ended for more than a minute, and a StatefulSet
// makes no other before that.
#pragma once

namespace toygres::test {

constexpr int patience_s = 300;

}  // namespace toygres::test
