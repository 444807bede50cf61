/** Which of several instances this is, and who leads. */

import { cluster } from "../live/store";
import { Sign } from "./pill";

/** In the head of the page; nothing where there is one instance only. */
export function ClusterState() {
  const it = cluster.value;
  if (!it) return null;
  const { name, zone, elected, leader, leader_name: leads, why_not: why } = it;
  const place = zone ? `${name}, zone ${zone}` : name;
  const title = leader ? `${place}: ${elected ? "it is the leader, which repairs" : "no leader is elected, each instance repairs"}` : `${place}: ${why ?? ""}`;
  return (
    <span class="link cluster" title={title}>
      <strong class="instance">{name}</strong>{" "}
      {elected && leader && <span class="soft">leads</span>}
      {!leader && leads && <span class="soft other">{leads} leads</span>}
      {!leader && !leads && (
        <span class="warn">
          <Sign tone="warn" /> no leader
        </span>
      )}
    </span>
  );
}
