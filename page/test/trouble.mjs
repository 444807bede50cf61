/** Gets a made-up fleet into trouble of each kind. */
export function trouble({ fleet, events }) {
  fleet.set("api", "b", "ejected", "41 % of its requests failed, of its peers' 0 %", "outlier");
  fleet.set("web", "c", "down", "connection refused");
  for (const id of ["a", "b", "c"]) fleet.fail("checkout", id, 1);
  fleet.set("search", "a", "draining", "a new disk", "operator");
  fleet.set("search", "b", "starting", "", "slow_start");
  const since = new Date(Date.now() - 12_000).toISOString();
  const about = { service: "api", backend: "b" };
  fleet.faults.set("api/b high_error_rate", { ...about, fault: "high_error_rate", confidence: 0.91, since, text: "fails 41 % of its requests" });
  const text = "restart: effectiveness 0.72 here (5 of 6 attempts)";
  fleet.recoveries.set("18", { ...about, fault: "unresponsive", strategy: "restart", phase: "proposed", text, waits_for_approval: true });
  const votes = [{ detector: "peers", fault: "high_error_rate", confidence: 0.91, reason: "41 % of 731 requests" }];
  for (const [level, kind, text] of [
    ["info", "backend_up", "backend is up"],
    ["warn", "fault_raised", "backend fails 41 % of its requests"],
    ["warn", "backend_ejected", "backend is ejected: 41 % of its requests failed, of its peers' 0 %"],
  ]) {
    events.tell({ ...about, level, kind, text, cause: { state: kind.split("_")[1], by: "outlier", was: "up", after_s: 3602.118, votes } });
  }
}
