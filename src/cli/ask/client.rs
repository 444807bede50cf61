//! Where the admin address is and what it needs (TLS, a token), from the arguments or from the configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;

use crate::config::{self, model::SystemAuthorities};
use crate::tls::connector::{ClientSettings, Trust, client_config};
use crate::tls::pinned;

/// The admin address where neither the arguments nor the configuration name one: the default of `admin.bind`.
const DEFAULT: &str = "127.0.0.1:9900";

/// The configuration file where the arguments name none.
const FILE: &str = "proxy.toml";

/// The arguments that say which admin address is asked, and how.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct AdminOptions {
    /// The admin address [default: admin.bind of the configuration, or http://127.0.0.1:9900]
    #[arg(long = "admin", value_name = "URL", global = true)]
    url: Option<String>,
    /// The configuration to take `admin.bind`, `admin.tls` and the token (`admin.token_file`, else of `admin.tokens`) from
    #[arg(short = 'c', long = "config", value_name = "FILE", default_value = FILE, global = true)]
    path: PathBuf,
    /// The file with the bearer token
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// Authorities that its certificate is verified against [default: it is the configured one; with --admin, the system's]
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// A client certificate, where it asks for one
    #[arg(long, value_name = "FILE", requires = "key", global = true)]
    cert: Option<PathBuf>,
    /// The key of the client certificate
    #[arg(long, value_name = "FILE", requires = "cert", global = true)]
    key: Option<PathBuf>,
}

/// A client of one admin address.
#[derive(Debug)]
pub(in crate::cli) struct AdminClient {
    /// A name or an address, with the port.
    pub address: String,
    /// The bearer token.
    pub token: Option<String>,
    /// For TLS: its settings, and the name that the certificate must have.
    pub tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The file with the one certificate that it may show; `None` = an authority verifies the certificate.
    pub known_by: Option<PathBuf>,
}

/// `[admin]` of the configuration. The rest of the file is not checked: `evenkeel reload` is there to tell its mistakes.
struct Configured {
    table: Value,
    folder: PathBuf,
}

/// The parts of an admin address's URL.
#[derive(Debug, PartialEq, Eq)]
struct AdminUrl {
    secure: bool,
    /// The host, without brackets.
    host: String,
    /// Host and port, as they are connected to.
    address: String,
}

impl AdminOptions {
    /// The configuration that is named, or else the default one.
    pub(in crate::cli) fn config(&self) -> &Path {
        &self.path
    }

    /// The same, with another configuration where the one that is named, or else the default one, is not there.
    pub(in crate::cli) fn or_config(&self, other: &Path) -> Self {
        match self.path.exists() {
            true => self.clone(),
            false => Self { path: other.to_path_buf(), ..self.clone() },
        }
    }

    /// The client that these arguments, or else the configuration, describe.
    ///
    /// # Errors
    ///
    /// A sentence for people about what can't be used.
    pub(in crate::cli) fn client(&self) -> Result<AdminClient, String> {
        // the token and the certificate of the file belong to the address in the file, and to no other
        let configured = if self.url.is_none() { Some(Configured::read(&self.path)?) } else { None };
        let url_parts = match (&self.url, &configured) {
            (Some(url), _) => parse_url(url)?,
            (None, configured) => {
                let scheme = if configured.as_ref().is_some_and(Configured::has_tls) { "https" } else { "http" };
                let bind = configured.as_ref().and_then(|configured| configured.text("bind"));
                parse_url(&format!("{scheme}://{}", reachable(bind.unwrap_or(DEFAULT))))?
            }
        };
        let token = self.token_file.clone().or_else(|| configured.as_ref()?.token_file());
        let token = token.map(|path| {
            std::fs::read_to_string(&path)
                .map_err(|error| format!("the token in {} can't be read: {error}", path.display()))
        });
        let token = token.transpose()?.map(|token| token.trim().to_owned());
        if !url_parts.secure {
            return match [&self.ca, &self.cert].into_iter().any(Option::is_some) {
                true => Err("--ca and --cert are for an admin address with TLS (https://)".to_owned()),
                false => Ok(AdminClient { address: url_parts.address, token, tls: None, known_by: None }),
            };
        }
        let known_by = match &self.ca {
            Some(_) => None,
            None => configured.as_ref().map(Configured::certificate).transpose()?,
        };
        let name = ServerName::try_from(url_parts.host.clone());
        let name = name.map_err(|_| format!("`{}` can't be the name of a server", url_parts.host))?;
        let config = self.tls(known_by.as_deref())?;
        Ok(AdminClient { address: url_parts.address, token, tls: Some((config, name)), known_by })
    }

    fn tls(&self, known_by: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
        let own = self.cert.as_deref().zip(self.key.as_deref());
        let own = own.map(|(cert, key)| Ok::<_, String>((certificates(cert)?, private_key(key)?))).transpose()?;
        let client = own.as_ref().map(|(chain, key)| (&chain[..], key));
        let unusable = |file: &Path, error: String| format!("{} can't be used: {error}", file.display());
        match (known_by, &self.ca) {
            (Some(file), _) => pinned::config(&certificates(file)?, client).map_err(|error| unusable(file, error)),
            (None, ca) => {
                let ca = ca.as_deref().map(certificates).transpose()?;
                let system = ca.is_none().then(SystemAuthorities::read).unwrap_or_default();
                let trust = match &ca {
                    Some(ca) => Trust::These(ca),
                    None => Trust::System(&system.certificates, system.error.as_deref()),
                };
                client_config(&ClientSettings { trust, verify: true, client, alpn: &[] })
            }
        }
    }
}

impl Configured {
    fn read(path: &Path) -> Result<Self, String> {
        let table = match path == Path::new(FILE) && !path.exists() {
            // the arguments name no file, so there need not be one
            true => Value::Null,
            false => config::admin(path)?,
        };
        Ok(Self { table, folder: path.parent().unwrap_or(Path::new("")).to_path_buf() })
    }

    fn has_tls(&self) -> bool {
        self.table.get("tls").is_some()
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.table.get(key).and_then(Value::as_str)
    }

    /// The file with the token of most use: that of `token_file`, else the first of `tokens` that may write, else the first.
    fn token_file(&self) -> Option<PathBuf> {
        let tokens = self.table.get("tokens").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let writes = |token: &&Value| token["access"] == "write";
        let named = tokens.iter().find(writes).or(tokens.first()).and_then(|token| token["file"].as_str());
        self.text("token_file").or(named).map(|name| self.folder.join(name))
    }

    fn certificate(&self) -> Result<PathBuf, String> {
        let cert = self.table.get("tls").and_then(|tls| tls.get("cert")).and_then(Value::as_str);
        cert.map(|name| self.folder.join(name)).ok_or_else(|| "admin.tls names no `cert`: say --ca".to_owned())
    }
}

/// Reads `http://host:port`, `https://host:port`, or `host:port`, which means http.
fn parse_url(url: &str) -> Result<AdminUrl, String> {
    let wrong = || format!("`{url}` is not an address such as http://127.0.0.1:9900 or https://admin.example:9900");
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let secure = match uri.scheme_str() {
        None | Some("http") => false,
        Some("https") => true,
        Some(_) => return Err(wrong()),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(wrong());
    }
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(AdminUrl { secure, host: bare, address: format!("{host}:{port}") })
}

/// The address to connect to for one that is bound: for 0.0.0.0 and [::] that is this machine's own.
fn reachable(bind: &str) -> String {
    match bind.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => match address {
            SocketAddr::V4(_) => format!("127.0.0.1:{}", address.port()),
            SocketAddr::V6(_) => format!("[::1]:{}", address.port()),
        },
        _ => bind.to_owned(),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    match CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(format!("{} has no certificate", path.display())),
        Err(error) => Err(format!("the certificates in {} can't be read: {error}", path.display())),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| format!("the key in {} can't be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_url_says_where_and_whether_by_tls() {
        let at = |url: &str| parse_url(url).map(|l| (l.secure, l.host, l.address)).ok();
        let place = |secure, host: &str, address: &str| Some((secure, host.to_owned(), address.to_owned()));
        assert_eq!(at("127.0.0.1:9900"), place(false, "127.0.0.1", "127.0.0.1:9900"));
        assert_eq!(at("http://localhost:9900/"), place(false, "localhost", "localhost:9900"));
        assert_eq!(at("https://[::1]:9900"), place(true, "::1", "[::1]:9900"));
        assert_eq!(at("https://admin.example"), place(true, "admin.example", "admin.example:443"));
        for wrong in ["", "ftp://a:1", "https://", "http://a:1/metrics", "/api"] {
            assert_eq!(at(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn of_several_tokens_the_one_that_may_do_most_is_shown() {
        let file = |table: Value| Configured { table, folder: "/etc".into() }.token_file();
        let (read, write) = (json!({ "name": "a", "file": "r" }), json!({ "file": "w", "access": "write" }));
        assert_eq!(file(json!({ "token_file": "t", "tokens": [write] })), Some("/etc/t".into()));
        assert_eq!(file(json!({ "tokens": [read, write] })), Some("/etc/w".into()));
        assert_eq!(file(json!({ "tokens": [read] })), Some("/etc/r".into()));
        assert_eq!(file(json!({ "tokens": 5 })), None);
        assert_eq!(file(Value::Null), None);
    }

    #[test]
    fn an_address_for_all_interfaces_is_asked_on_loopback() {
        assert_eq!(reachable("0.0.0.0:9900"), "127.0.0.1:9900");
        assert_eq!(reachable("[::]:1"), "[::1]:1");
        assert_eq!(reachable("10.0.0.1:9900"), "10.0.0.1:9900");
    }

    #[test]
    fn what_is_for_tls_is_refused_without_it() {
        let url = Some("http://127.0.0.1:1".to_owned());
        let options = AdminOptions { url, ca: Some("ca.pem".into()), ..AdminOptions::default() };
        assert!(options.client().unwrap_err().contains("--ca"));
    }
}
