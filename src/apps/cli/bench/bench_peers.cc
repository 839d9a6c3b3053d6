#include "apps/cli/bench/bench_peers.h"

#include <algorithm>

#include "apps/bench/process.h"
#include "apps/cli/terminal/terminal.h"

namespace mcv::cli {
namespace {

Result<bench::PeerOptions> OptionsOf(const PeerChoice& choice, double timeout_seconds) {
  bench::PeerOptions peer;
  if (!choice.name.empty()) peer.name = choice.name;
  MCV_ASSIGN_OR_RETURN(peer.prefix, bench::SplitCommand(choice.prefix));
  for (const std::string& text : choice.words) {
    MCV_RETURN_IF_ERROR(bench::AddPeerWords(text, &peer));
  }
  peer.path = choice.path;
  peer.environment = choice.environment;
  peer.backend = choice.backend;
  peer.timeout_seconds = timeout_seconds;
  peer.cancel = &Interrupted();
  return peer;
}

}  // namespace

Result<std::vector<std::unique_ptr<bench::Side>>> FindPeers(const BenchOptions& options,
                                                            bench::Results* results) {
  std::vector<bench::PeerOptions> wanted;
  for (const PeerChoice& choice : options.peers) {
    MCV_ASSIGN_OR_RETURN(const auto peer, OptionsOf(choice, options.timeout_seconds));
    const bool known = std::any_of(wanted.begin(), wanted.end(),
                                   [&](const auto& earlier) { return earlier.name == peer.name; });
    if (known) {
      return InvalidArgument("two peers are called '" + peer.name +
                             "': give one another name with --peer-name behind its --peer");
    }
    wanted.push_back(peer);
  }
  std::vector<std::unique_ptr<bench::Side>> sides;
  for (const bench::PeerOptions& peer : wanted) {
    bench::PeerIdentity identity;
    MCV_ASSIGN_OR_RETURN(auto side, bench::FindPeer(peer, results->model, &identity));
    sides.push_back(std::move(side));
    results->peers.push_back(identity);
  }
  for (bench::JobSamples& samples : results->jobs) samples.peers.resize(sides.size());
  return sides;
}

void DescribePeers(const BenchOptions& options, bench::Results* results) {
  auto& settings = results->settings;
  settings["peers"];  // there, though empty: a peer more or less is another measurement
  for (size_t i = 0; i < results->peers.size(); ++i) {
    const bench::PeerIdentity& peer = results->peers[i];
    settings["peers"] += (i == 0 ? "" : ", ") + peer.name;
    settings["version of " + peer.name] = peer.version;
    settings["back end of " + peer.name] = peer.backend;
    settings["options of " + peer.name] = peer.words;
    std::string& environment = settings["environment of " + peer.name];
    for (const std::string& setting : options.peers[i].environment) environment += setting + " ";
  }
}

}  // namespace mcv::cli
