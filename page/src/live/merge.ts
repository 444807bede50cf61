/**
 * Applies a JSON merge patch (RFC 7396) and gives back the result. Nothing is changed in place: what the patch does not touch is the same object
 * as before, so that whoever draws a part of the document sees by comparing references whether there is anything to draw.
 */
export function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged: Record<string, unknown> = isObject(target) ? { ...target } : {};
  for (const name in patch) {
    const value = patch[name];
    if (value === null) delete merged[name];
    else merged[name] = merge(merged[name], value);
  }
  return merged;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
