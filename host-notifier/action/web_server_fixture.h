// A web service on this machine that answers as a test says, with or without TLS. On the loop's
// thread.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace seaward::action {

// A certificate for `host` that signs itself, and its key, in one PEM file.
inline void WriteCertificate(const std::string& path, const std::string& host) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(host.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* alternative =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + host).c_str());
  X509_add_ext(certificate, alternative, -1);
  X509_EXTENSION_free(alternative);
  X509_set_pubkey(certificate, key);
  X509_sign(certificate, key, EVP_sha256());
  std::FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_X509(file, certificate);
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

class WebServer {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;
  struct Answer {
    unsigned status = 200;
    std::string retry_after = {};
    bool silent = false;  // nothing is ever said
    bool hang_up = false;
  };

  // `pem`: certificate and key; empty: without TLS.
  WebServer(boost::asio::io_context& loop, const std::string& pem)
      : acceptor_(loop, {boost::asio::ip::make_address("127.0.0.1"), 0}),
        tls_(boost::asio::ssl::context::tls_server) {
    if (!pem.empty()) {
      tls_.use_certificate_chain_file(pem);
      tls_.use_private_key_file(pem, boost::asio::ssl::context::pem);
      with_tls_ = true;
    }
    Accept();
  }
  ~WebServer() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  const std::vector<Request>& requests() const { return requests_; }
  Answer answer;

 private:
  using Socket = boost::asio::ip::tcp::socket;
  template <class Stream>
  struct Visit {
    explicit Visit(Stream with) : stream(std::move(with)) {}
    Stream stream;
    boost::beast::flat_buffer buffer;
    Request request;
    boost::beast::http::response<boost::beast::http::string_body> response;
  };

  void Accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, Socket socket) {
      if (error) return;
      if (with_tls_) {
        auto visit = std::make_shared<Visit<boost::beast::ssl_stream<Socket>>>(
            boost::beast::ssl_stream<Socket>(std::move(socket), tls_));
        visit->stream.async_handshake(boost::asio::ssl::stream_base::server,
                                      [this, visit](const boost::system::error_code& failed) {
                                        if (!failed) Serve(visit);
                                      });
      } else {
        Serve(std::make_shared<Visit<Socket>>(std::move(socket)));
      }
      Accept();
    });
  }
  template <class Stream>
  void Serve(const std::shared_ptr<Visit<Stream>>& visit) {
    boost::beast::http::async_read(
        visit->stream, visit->buffer, visit->request,
        [this, visit](const boost::system::error_code& error, std::size_t) {
          if (error) return;
          requests_.push_back(visit->request);
          if (answer.hang_up) return;
          if (answer.silent) return silent_.push_back(visit);
          visit->response.result(answer.status);
          if (!answer.retry_after.empty())
            visit->response.set(boost::beast::http::field::retry_after, answer.retry_after);
          visit->response.body() = "thanks";
          visit->response.prepare_payload();
          boost::beast::http::async_write(
              visit->stream, visit->response,
              [visit](const boost::system::error_code&, std::size_t) {});
        });
  }

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ssl::context tls_;
  bool with_tls_ = false;
  std::vector<Request> requests_;
  std::vector<std::shared_ptr<void>> silent_;
};

}  // namespace seaward::action
