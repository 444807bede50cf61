/** The address of each view. */
export const VIEWS = {
  overview: "#/",
  service: "#/service/api",
  backend: "#/service/api/b",
  ring: "#/service/search",
  events: "#/events",
  faults: "#/faults",
  recoveries: "#/recoveries",
  recovery: "#/recoveries/17",
  sla: "#/sla",
  promise: "#/sla/api",
  routes: "#/routes",
  listeners: "#/listeners",
  certificates: "#/certificates",
};
