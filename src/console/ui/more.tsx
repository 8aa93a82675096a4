import { useEffect, useRef } from "preact/hooks";

/** How far below the screen the end of a list may be when more of it is asked for. */
const AHEAD = "300px";

/** Stands at the end of a list that goes on: calls `onMore` when it comes near the screen, or is clicked. */
export function More({ label, onMore }: { readonly label: string; readonly onMore: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  const latest = useRef(onMore);
  latest.current = onMore;
  useEffect(() => {
    if (button.current === null) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) latest.current();
      },
      { rootMargin: AHEAD },
    );
    observer.observe(button.current);
    return () => observer.disconnect();
    // Anew after each drawing: a list that grew by little may still end within the screen.
  });
  return (
    <p class="more">
      <button type="button" class="plain" ref={button} onClick={() => latest.current()}>
        {label}
      </button>
    </p>
  );
}
