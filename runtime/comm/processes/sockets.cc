#include "runtime/comm/processes/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace shardwright {
namespace {

constexpr int kBacklog = 4096;
constexpr int kFlags = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

// A name without a file.
socklen_t nameOf(const std::string& name, sockaddr_un& address) {
  std::string whole = "shardwright/" + std::to_string(getuid()) + "/" + name;
  address = {};
  address.sun_family = AF_UNIX;
  size_t bytes = std::min(whole.size(), sizeof address.sun_path - 1);
  std::memcpy(address.sun_path + 1, whole.data(), bytes);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + bytes);
}

// Who made the other end of a socket inside this host; process 0 for other sockets.
ucred peerOf(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return {0, static_cast<uid_t>(-1), 0};
  return peer;
}

bool isOfThisUser(int socket) { return peerOf(socket).uid == getuid(); }

std::string hostAddresses(uint16_t port) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "";
  std::string outside, inside;
  for (const ifaddrs* one = all; one; one = one->ifa_next) {
    char text[INET6_ADDRSTRLEN] = "";
    if (!one->ifa_addr || !(one->ifa_flags & IFF_UP)) continue;
    std::string& list = one->ifa_flags & IFF_LOOPBACK ? inside : outside;
    if (one->ifa_addr->sa_family == AF_INET) {
      const auto& address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr;
      inet_ntop(AF_INET, &address, text, sizeof text);
      list += std::string(text) + ":" + std::to_string(port) + " ";
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      const auto& address = reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr;
      if (IN6_IS_ADDR_LINKLOCAL(&address)) continue;
      inet_ntop(AF_INET6, &address, text, sizeof text);
      list += "[" + std::string(text) + "]:" + std::to_string(port) + " ";
    }
  }
  freeifaddrs(all);
  return outside.empty() ? inside : outside;
}

void sendAtOnce(int socket) {
  int yes = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

}  // namespace

int processAt(int socket) { return peerOf(socket).pid; }

int listenInside(const std::string& name) {
  sockaddr_un address;
  socklen_t size = nameOf(name, address);
  int listening = socket(AF_UNIX, kFlags, 0);
  if (listening < 0) return -1;
  if (bind(listening, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listening, kBacklog) == 0)
    return listening;
  close(listening);
  return -1;
}

std::pair<int, std::string> listenOutside() {
  int listening = socket(AF_INET6, kFlags, 0), no = 0;
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  sockaddr_in four{};
  four.sin_family = AF_INET;
  bool bound = listening >= 0 && setsockopt(listening, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) == 0 &&
               bind(listening, reinterpret_cast<sockaddr*>(&six), sizeof six) == 0;
  if (!bound) {  // a host without IPv6
    if (listening >= 0) close(listening);
    listening = socket(AF_INET, kFlags, 0);
    bound = listening >= 0 && bind(listening, reinterpret_cast<sockaddr*>(&four), sizeof four) == 0;
  }
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  if (bound && listen(listening, kBacklog) == 0 &&
      getsockname(listening, reinterpret_cast<sockaddr*>(&name), &size) == 0) {
    uint16_t port = name.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(name).sin6_port
                                               : reinterpret_cast<sockaddr_in&>(name).sin_port;
    return {listening, hostAddresses(ntohs(port))};
  }
  if (listening >= 0) close(listening);
  return {-1, ""};
}

int acceptFrom(int listening) {
  for (;;) {
    int socket = accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return -1;
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size);
    if (name.ss_family != AF_UNIX) sendAtOnce(socket);
    if (name.ss_family != AF_UNIX || isOfThisUser(socket)) return socket;
    close(socket);
  }
}

int connectInside(const std::string& name) {
  sockaddr_un address;
  socklen_t size = nameOf(name, address);
  int connection = socket(AF_UNIX, kFlags, 0);
  if (connection < 0) return -1;
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), size) == 0 && isOfThisUser(connection))
    return connection;
  close(connection);
  return -1;
}

int connectOutside(const std::string& address) {
  size_t colon = address.rfind(':');
  if (colon == std::string::npos) return -1;
  std::string host = address.substr(0, colon);
  auto port = static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1));
  sockaddr_in6 six{};
  sockaddr_in four{};
  bool isSix = host.front() == '[';
  if (isSix) host = host.substr(1, host.size() - 2);
  six.sin6_family = AF_INET6;
  four.sin_family = AF_INET;
  six.sin6_port = four.sin_port = htons(port);
  if (inet_pton(isSix ? AF_INET6 : AF_INET, host.c_str(),
                isSix ? static_cast<void*>(&six.sin6_addr) : static_cast<void*>(&four.sin_addr)) != 1)
    return -1;
  int connection = socket(isSix ? AF_INET6 : AF_INET, kFlags, 0);
  if (connection < 0) return -1;
  sendAtOnce(connection);
  int begun = isSix ? connect(connection, reinterpret_cast<sockaddr*>(&six), sizeof six)
                    : connect(connection, reinterpret_cast<sockaddr*>(&four), sizeof four);
  if (begun == 0 || errno == EINPROGRESS) return connection;
  close(connection);
  return -1;
}

}  // namespace shardwright
