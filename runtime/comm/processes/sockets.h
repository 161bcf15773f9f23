// Owns how processes of a job reach each other by sockets, none of whose calls waits: inside a host by names without files,
// outside by addresses. It knows nothing of what is said.
#pragma once

#include <string>
#include <utility>

namespace shardwright {

// Sockets that listen: one that processes of this host and user find by a name, which vanishes with the process, and
// one for other hosts, whose addresses are "1.2.3.4:567 [ab::cd]:567". -1 where the system refuses.
int listenInside(const std::string& name);
std::pair<int, std::string> listenOutside();
// The next connection; -1 if there is none.
int acceptFrom(int listening);
// -1 where nobody listens. The second may turn out not to lead anywhere later.
int connectInside(const std::string& name);
int connectOutside(const std::string& address);
// The process that made the other end, if it is of this host; else 0.
int processAt(int socket);

}  // namespace shardwright
