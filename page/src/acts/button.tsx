import type { ComponentChildren } from "preact";
import { mayAct } from "../api";
import { type Act, asked } from "./act";

interface Props {
  /** The act that is asked about, made when somebody presses the button; none where that shows that there is nothing to do. */
  act: () => Act | Promise<Act | undefined>;
  /** What a screen reader says in place of the words on it. */
  label?: string;
  class?: string;
  children: ComponentChildren;
}

/** A button that leads to an act. Who may only read sees none. */
export function ActButton({ act, label, class: of, children }: Props) {
  if (!mayAct) return null;
  const ask = async () => {
    asked.value = await act();
  };
  return (
    <button type="button" {...(of ? { class: of } : {})} {...(label ? { "aria-label": label } : {})} onClick={() => void ask()}>
      {children}
    </button>
  );
}
