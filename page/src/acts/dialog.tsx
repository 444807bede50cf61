/** The dialog that asks before an act, and the toasts that tell what came of it. */

import { useEffect, useRef, useState } from "preact/hooks";
import { type Act, asked, close, takeBack, tell, toasts } from "./act";

export function ActDialog() {
  const act = asked.value;
  return act ? <Question key={act.title} act={act} /> : null;
}

function Question({ act }: { act: Act }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [error, setError] = useState("");
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => before instanceof HTMLElement && before.isConnected && before.focus();
  }, []);

  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const text = (name: string) => String(form.get(name) ?? "");
    const minutes = Number(text("minutes")) || undefined;
    const weight = text("weight") === "" ? null : Number(text("weight"));
    setBusy(true);
    try {
      await act.send({ reason: text("reason"), weight, ...(minutes ? { minutes } : {}) });
      asked.value = undefined;
      tell(act.done, act.undo);
    } catch (problem) {
      setError((problem as Error).message);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby="act-title" aria-describedby="act-text" onClose={() => (asked.value = undefined)}>
      <form onSubmit={send}>
        <h2 id="act-title">{act.title}</h2>
        <p id="act-text">{act.text}</p>
        {act.weight !== undefined && <Weight weight={act.weight} />}
        {act.reason !== "none" && (
          <label>
            Reason{act.reason === "optional" && <span class="soft"> (optional; it is kept and shown to others)</span>}
            <input name="reason" maxLength={200} required={act.reason === "required"} autocomplete="off" />
          </label>
        )}
        {act.time && <ForHowLong isNeeded={act.time === "always"} />}
        {error && (
          <p class="problem" role="alert">
            {error}
          </p>
        )}
        <div class="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button class={act.isGrave ? "primary grave" : "primary"} disabled={isBusy}>
            {isBusy ? "…" : act.verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function Weight({ weight }: { weight: number }) {
  return (
    <label>
      Weight
      <input name="weight" type="number" min={0} step={1} value={weight} placeholder="as configured" />
    </label>
  );
}

const TIMES: [minutes: number, text: string][] = [
  [30, "for 30 minutes"],
  [120, "for 2 hours"],
  [480, "for 8 hours"],
  [1_440, "for a day"],
];

function ForHowLong({ isNeeded }: { isNeeded: boolean }) {
  return (
    <label>
      For how long
      <select name="minutes">
        {!isNeeded && <option value="">until it is taken back</option>}
        {TIMES.map(([minutes, text]) => (
          <option key={minutes} value={minutes}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={toast.isBad ? "toast bad" : "toast"}>
          <span>{toast.text}</span>
          {toast.undo && (
            <button type="button" class="undo" onClick={() => void takeBack(toast)}>
              Undo
            </button>
          )}
          <button type="button" class="plain" aria-label="Close" onClick={() => close(toast.id)}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
