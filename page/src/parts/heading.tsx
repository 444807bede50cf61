import type { ComponentChildren } from "preact";

interface Props {
  title: string;
  /** The views above this one. */
  path?: [text: string, href: string][];
  /** What one can do here. */
  acts?: ComponentChildren;
  /** How it stands. */
  children?: ComponentChildren;
}

/** The heading of a view. It takes the focus when the view is opened, so that a screen reader begins there. */
export function Heading({ title, path, acts, children }: Props) {
  return (
    <div class="heading">
      {path && (
        <nav aria-label="Where this is" class="path">
          {path.map(([text, href]) => (
            <a key={href} href={href}>
              {text}
            </a>
          ))}
        </nav>
      )}
      <h1 tabIndex={-1}>{title}</h1>
      {acts && <div class="buttons">{acts}</div>}
      {children && <p class="standing">{children}</p>}
    </div>
  );
}
