/** What is configured: routes with their hits, listeners, certificates. */

import { useMemo } from "preact/hooks";
import { useAnswer } from "../api";
import { count, date } from "../format";
import { listeners, services } from "../live/store";
import type { Listener } from "../live/contract";
import { Heading } from "../parts/heading";
import { Marked } from "../parts/marked";
import { Pill } from "../parts/pill";
import { to } from "../router";
import { type Column, Table } from "../table/table";
import { ofCertificate } from "../tone";

interface Route {
  listener: string;
  text: string;
  to: string;
  hits: number;
}

export interface Certificate {
  listener: string;
  names: string[];
  subject: string;
  issuer: string;
  not_before: string;
  not_after: string;
  days_left: number;
  fingerprint_sha256: string;
  default: boolean;
}

/** A list as rows by their place in it. */
function byPlace<T>(list: T[]): Record<string, T> {
  return Object.fromEntries(list.map((item, at) => [String(at + 1), item]));
}

export function RoutesView() {
  const { value, error } = useAnswer<Route[]>("/api/v1/routes", 2_000);
  const rows = useMemo(() => byPlace(value ?? []), [value]);
  return (
    <>
      <Heading title="Routes">Of each listener the first one that fits is taken</Heading>
      {value ? (
        <Table name="routes" what="routes" rows={rows} columns={ROUTES} first="place" text={(route) => `${route.listener} ${route.text} ${route.to}`} empty="No route is configured." />
      ) : (
        <p class="empty">{error ?? "Loading…"}</p>
      )}
    </>
  );
}

const ROUTES: Column<Route>[] = [
  { id: "place", head: "No.", width: 4, isNumber: true, key: (_, place) => Number(place), cell: (_, place) => place },
  { id: "listener", head: "Listener", width: 10, key: (r) => r.listener, cell: (r) => r.listener },
  { id: "text", head: "What it takes", isWide: true, key: (r) => r.text, cell: (r) => <span class="words">{r.text}</span> },
  { id: "to", head: "Leads to", width: 22, isWide: true, key: (r) => r.to, cell: (r) => (services.peek()?.[r.to] ? <a href={to("service", r.to)}>{r.to}</a> : r.to) },
  { id: "hits", head: "Hits", width: 8, isNumber: true, isDescending: true, key: (r) => r.hits, cell: (r) => count(r.hits) },
];

export function ListenersView() {
  return (
    <>
      <Heading title="Listeners">Where clients are accepted</Heading>
      <Table name="listeners" what="listeners" rows={listeners.value ?? {}} columns={LISTENERS} first="name" text={(listener, name) => `${name} ${listener.address} ${listener.protocol}`} empty="No listener is configured." />
    </>
  );
}

const LISTENERS: Column<Listener>[] = [
  { id: "name", head: "Listener", isWide: true, key: (_, name) => name, cell: (_, name) => name },
  { id: "address", head: "Address", width: 18, isWide: true, key: (l) => l.address, cell: (l) => l.address },
  { id: "protocol", head: "Protocol", width: 8, key: (l) => l.protocol, cell: (l) => l.protocol },
  { id: "tls", head: "TLS", width: 8, key: (l) => (l.tls ? 1 : 0), cell: (l) => (l.tls ? "yes" : "in clear") },
  { id: "connections", head: "Connections", width: 8, isNumber: true, isDescending: true, key: (l) => l.connections, cell: (l) => count(l.connections) },
];

export function CertificatesView() {
  const { value, error } = useAnswer<Certificate[]>("/api/v1/certificates", 60_000);
  const rows = useMemo(() => byPlace(value ?? []), [value]);
  const soon = value?.filter(({ days_left: days }) => ofCertificate(days) !== "good").length ?? 0;
  return (
    <>
      <Heading title="Certificates">{soon > 0 ? `${soon} ${soon === 1 ? "needs" : "need"} to be renewed` : "What is shown to clients"}</Heading>
      {value ? (
        <Table name="certificates" what="certificates" rows={rows} columns={CERTIFICATES} first="left" text={(c) => `${c.listener} ${c.names.join(" ")} ${c.subject} ${c.issuer}`} empty="No listener shows a certificate." />
      ) : (
        <p class="empty">{error ?? "Loading…"}</p>
      )}
    </>
  );
}

const CERTIFICATES: Column<Certificate>[] = [
  { id: "names", head: "Names", isWide: true, key: (c) => c.names[0] ?? c.subject, cell: (c) => <span class="words">{c.names.join(", ") || c.subject}</span> },
  {
    id: "left",
    head: "Expires",
    width: 16,
    isWide: true,
    key: (c) => c.days_left,
    cell: (c) => (
      <>
        <Pill tone={ofCertificate(c.days_left)}>{c.days_left <= 0 ? "expired" : `in ${count(c.days_left)} days`}</Pill> <small class="soft">{date(c.not_after)}</small>
      </>
    ),
  },
  { id: "listener", head: "Listener", width: 10, key: (c) => c.listener, cell: (c) => <Marked tone="good">{c.default ? `${c.listener} (default)` : c.listener}</Marked> },
  { id: "issuer", head: "Issuer", width: 16, from: 1, key: (c) => c.issuer, cell: (c) => <span class="words">{c.issuer}</span> },
  { id: "fingerprint", head: "SHA-256", width: 14, from: 2, cell: (c) => <code class="words" title={c.fingerprint_sha256}>{c.fingerprint_sha256}</code> },
];
