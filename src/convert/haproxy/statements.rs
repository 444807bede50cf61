//! What is said of each line that has no counterpart. The others are carried over where they stand.

use super::parse::{Line, Section};
use crate::convert::output::Findings;

/// Lines that are carried over, or whose findings are told where they are, by their first words.
const KNOWN: &str = "bind acl use_backend default_backend http-request http-response http-after-response tcp-request redirect block server \
    server-template default-server balance hash-balance-factor cookie stick retries retry-on timeout:connect timeout:server timeout:client \
    timeout:queue timeout:check timeout:http-request timeout:http-keep-alive timeout:tunnel maxconn mode option:httpchk option:forwardfor \
    option:tcp-check option:redis-check option:mysql-check option:pgsql-check option:ldap-check option:smtpchk option:ssl-hello-chk \
    option:external-check option:httpclose fullconn:none http-check tcp-check source http-reuse filter monitor-uri unique-id-header rate-limit nbthread log \
    stick-table compression:algo compression:type errorfile disabled enabled";

/// Lines that nothing has to be done for, with the reason.
const HARMLESS: &[(&str, &str)] = &[
    (
        "option:httplog option:tcplog option:dontlognull option:dontlog-normal option:log-separate-errors option:logasap option:log-health-checks \
      option:httpslog log-format log-format-sd log-tag log-send-hostname capture error-log-format option:error-log-format",
        "`[log] access` and its formats: docs/operations.md",
    ),
    (
        "option:http-server-close option:http-keep-alive option:forceclose option:http-pretend-keepalive option:prefer-last-server \
      option:http-tunnel option:http-no-delay option:http-buffer-request option:http-use-htx",
        "connections are kept on both sides: [service.NAME.pool]",
    ),
    ("option:redispatch", "a request that finds its backend gone goes to another one by itself"),
    ("option:abortonclose", "`abort_on_close` is on by itself"),
    (
        "option:splice-auto option:splice-request option:splice-response option:tcp-smart-accept option:tcp-smart-connect option:clitcpka \
      option:srvtcpka option:tcpka option:contstats option:socket-stats option:nolinger option:independent-streams option:allbackups \
      option:persist option:idle-close-on-response option:spop-check option:http-ignore-probes option:disable-h2-upgrade option:transparent \
      option:accept-invalid-http-request option:accept-invalid-http-response option:h1-case-adjust-bogus-client \
      option:h1-case-adjust-bogus-server option:originalto option:http-use-proxy-header clitcpka-cnt clitcpka-idle clitcpka-intvl \
      srvtcpka-cnt srvtcpka-idle srvtcpka-intvl",
        "nothing has to be done for it here",
    ),
    ("compression:offload compression:direction", "`compress` needs no word for it: docs/compression.md"),
    ("hash-type", "hashing is consistent by itself"),
    (
        "fullconn minconn backlog id description guid load-server-state-from-file server-state-file-name \
      monitor monitor-net force-persist ignore-persist unique-id-format max-keep-alive-queue max-session-srv-conns email-alert declare",
        "nothing is done for it here",
    ),
    (
        "timeout:client-fin timeout:server-fin timeout:tarpit timeout:client-hs",
        "there is no such time-out: docs/configuration.md has those that there are",
    ),
    ("stats", "status, metrics and the live page are at the admin address: docs/operations.md"),
];

/// Lines whose work is not done, with what to do instead.
const NOT_DONE: &[(&str, &str, &str)] = &[
    (
        "errorloc errorloc302 errorloc303 errorfiles http-error",
        "errors are told in text",
        "`error_pages` has a file for each status, without its head: docs/error-pages.md",
    ),
    ("use-server", "a server is chosen by `balance`", "a service with this server alone, and a route to it"),
    ("use-fcgi-app", "FastCGI is not spoken", "leave it to nginx or Caddy on another port, as a service"),
    ("tcp-response", "it is not done", ""),
    ("http-send-name-header", "servers are not told their names", "`response_headers` can have `${backend}`"),
    ("option:http_proxy dispatch", "requests go to the backends of a service only", ""),
    (
        "clitimeout contimeout srvtimeout grace",
        "such lines were taken out of HAProxy",
        "write them as `timeout`, and convert again",
    ),
    ("external-check", "programs are not run for checks", "`health.kind = \"agent\"` asks one beside each backend"),
];

/// Sections with what is done of them.
const SECTIONS: &[(&str, &str, &str)] = &[
    ("resolvers", "names are looked up by the system's resolver, again and again", "docs/configuration.md, names"),
    ("peers", "instances share sessions and limits through Redis", "`affinity.store`, `rate_limit.store`"),
    ("mailers", "events are posted to webhooks", "[[notify]]"),
    ("cache", "nothing is cached", "put a cache behind or before, as a service"),
    ("program", "programs are left to the service manager", ""),
    ("ring", "logs go to the access log", "`[log] access`"),
    ("log-forward", "logs are not forwarded", "have a log shipper do it"),
    ("fcgi-app", "FastCGI is not spoken", "leave it to nginx or Caddy on another port, as a service"),
    ("http-errors", "errors are told in text", "`error_pages`: docs/error-pages.md"),
    ("crt-store", "certificates are named in [listener.tls]", "`certificates`"),
    ("traces", "traces go to a collector", "[otlp]"),
    ("log-profile", "`[log] access` and its formats", "docs/operations.md"),
];

/// Tells of every line without a counterpart.
pub fn tell(sections: &[Section], findings: &mut Findings) {
    for section in sections {
        match section.kind.as_str() {
            "global" => section.lines.iter().for_each(|line| global(line, findings)),
            "userlist" => {}
            // one without servers answers with its page
            "backend" if !section.lines.iter().any(|line| line.word(0).starts_with("server")) => {
                section
                    .lines
                    .iter()
                    .filter(|line| !line.is(&["errorfile", "503"]))
                    .for_each(|line| proxy(line, findings));
            }
            "defaults" | "frontend" | "backend" | "listen" => {
                section.lines.iter().for_each(|line| proxy(line, findings))
            }
            kind => {
                if let Some((_, why, advice)) = SECTIONS.iter().find(|(name, ..)| *name == kind) {
                    findings.note(&section.head.place, section.head.text(), *why, *advice);
                }
            }
        }
    }
}

fn proxy(line: &Line, findings: &mut Findings) {
    let (first, pair) = (line.word(0), format!("{}:{}", line.word(0), line.word(1)));
    if first == "no" {
        return;
    }
    let is_in = |names: &str| names.split_whitespace().any(|known| known == first || known == pair);
    let (place, text) = (&line.place, line.text());
    if is_in(KNOWN) {
    } else if let Some((_, why)) = HARMLESS.iter().find(|(names, _)| is_in(names)) {
        findings.note(place, text, *why, "");
    } else if first == "tcp-response" && line.words.iter().any(|word| matches!(word.as_str(), "reject" | "close")) {
        findings.error(place, text, "answers are not looked at", "have the backend keep it back");
    } else if let Some((_, why, advice)) = NOT_DONE.iter().find(|(names, ..)| is_in(names)) {
        findings.warning(place, text, *why, *advice);
    } else if pair == "option:checkcache" {
        let why = "answers are not looked at: those that caches must not keep go on";
        findings.error(place, text, why, "have the backend set Cache-Control");
    } else if first.starts_with("req") && !first.contains('-') && first != "requires" {
        findings.error(
            place,
            text,
            "such lines were taken out of HAProxy 2.1, and may refuse requests",
            "write them as `http-request`, and convert again",
        );
    } else {
        not_known(line, findings);
    }
}

/// A line that is in no list: it may keep somebody out.
fn not_known(line: &Line, findings: &mut Findings) {
    let why = "it is not known here, and it may keep somebody out";
    let advice =
        "docs/access.md has what there is for that; if it keeps nobody out, take the line away and convert again";
    findings.error(&line.place, line.text(), why, advice);
}

/// What lines of `global` begin with that are about the process, or about TLS in general.
const OF_THE_PROCESS: &str = "tune. ssl- ca-base crt-base user group uid gid chroot daemon pidfile master-worker nbproc cpu-map cpu-policy spread-checks \
    node description log server-state set-dumpable strict-limits ulimit-n unix-bind busy-polling no quiet debug zero-warning external-check insecure- \
    localpeer mworker- default-path h1- h2-workaround issuers-chain-path profiling. thread-group httpclient. pp2-never-send-local set-var close-spread-time \
    expose- limited-quic anonkey fd-hard-limit cluster-secret max prealloc-fd shm-stats stress-level dns-accept-family force-cfg-parser-pause warn-blocked \
    http-fail-codes http-err-codes harden. numa-cpu-mapping acme.";

fn global(line: &Line, findings: &mut Findings) {
    let (first, place, text) = (line.word(0), &line.place, line.text());
    match first {
        "log" | "nbthread" | "hard-stop-after" => {}
        // each address has it
        "ssl-default-bind-options" if line.has("no-tlsv12") || line.has("force-tlsv13") || line.has("TLSv1.3") => {}
        f if f.starts_with("ssl-default-bind") => findings.note(
            place,
            text,
            "TLS 1.2 and 1.3 are spoken, by suites with forward secrecy",
            "`preset`, `min_version`, `ciphers` of [listener.tls]",
        ),
        f if f.starts_with("ssl-default-server")
            || f.starts_with("ssl-")
            || f.starts_with("tune.ssl")
            || f.starts_with("ca-base")
            || f.starts_with("crt-base") =>
        {
            findings.note(
                place,
                text,
                "paths are relative to the configuration file, and TLS has its own defaults",
                "docs/tls.md",
            );
        }
        f if f.starts_with("lua-") => findings.error(
            place,
            text,
            "programs don't run here, and may be there to refuse requests",
            "`auth.forward` asks a service about each request: docs/access.md",
        ),
        "stats" => {
            findings.note(place, text, "the admin address has the commands and the status: docs/operations.md", "")
        }
        "maxconnrate" | "maxsessrate" | "maxsslrate" => {
            let why = "new connections of all clients together are not limited by rate";
            findings.error(place, text, why, "`client_limits.new_connections` of a listener limits each client");
        }
        "setenv" | "presetenv" => {
            let why = "variables of the environment are not set by the configuration";
            findings.warning(place, text, why, "set it where Evenkeel is started");
        }
        "wurfl" | "deviceatlas" | "51degrees" => findings.warning(place, text, "devices are not told apart", ""),
        "maxconn" | "maxsslconn" | "maxpipes" => {
            findings.note(
                place,
                text,
                "there is no such limit of the process; `max_connections` of a listener limits connections",
                "",
            );
        }
        first if OF_THE_PROCESS.split_whitespace().any(|begin| first.starts_with(begin)) => {
            findings.note(place, text, "the process is set up by its service manager: docs/operations.md", "");
        }
        _ => not_known(line, findings),
    }
}
