import type { ComponentChildren } from "preact";

/** The heading of a view. It takes the focus when the view is opened, so that a screen reader begins there. */
export function Heading({ title, path, children }: { title: string; path?: [text: string, href: string][]; children?: ComponentChildren }) {
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
      <p class="standing">{children}</p>
    </div>
  );
}
