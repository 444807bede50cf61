/** Small curves of the last minute, of figures that have come with the live document. The server keeps no history of single backends. */

import { memo } from "./memo";

/** Points that are kept: one a second, a minute long. */
const POINTS = 60;

export class Sparks {
  private readonly curves = new Map<string, (number | undefined)[]>();
  private turn = 0;

  /** Takes the present figures. */
  take(figures: Iterable<[string, number | undefined]>): void {
    this.turn += 1;
    for (const [id, figure] of figures) {
      let curve = this.curves.get(id);
      if (!curve) this.curves.set(id, (curve = []));
      curve.push(figure);
      if (curve.length > POINTS) curve.shift();
    }
  }

  clear(): void {
    this.curves.clear();
  }

  /** The curve as the `points` of a polyline in a box of 60 by 16. */
  points(id: string): string {
    const curve = this.curves.get(id) ?? [];
    const most = Math.max(1e-9, ...curve.map((figure) => figure ?? 0));
    const first = POINTS - curve.length;
    return curve
      .map((figure, at) => (figure === undefined ? "" : `${first + at},${(15 - (14 * figure) / most).toFixed(1)}`))
      .filter(Boolean)
      .join(" ");
  }
}

export const Spark = memo(function Spark({ points }: { points: string }) {
  return (
    <svg class="spark" viewBox="0 0 60 16" preserveAspectRatio="none" aria-hidden="true">
      <polyline points={points} />
    </svg>
  );
});
