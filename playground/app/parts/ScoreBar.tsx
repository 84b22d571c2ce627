import { fixed } from "../i18n/language";

interface Props {
  value: number;
  /** The ends of the bar. Where they lie on both sides of 0, bars begin there. */
  min: number;
  max: number;
  digits?: number | undefined;
}

/** A bar beside its number. */
export function ScoreBar({ value, min, max, digits = 4 }: Props) {
  const share = (v: number) => (max > min ? Math.min(1, Math.max(0, (v - min) / (max - min))) : 1);
  const zero = min < 0 && max > 0 ? share(0) : 0;
  const [from, to] = [Math.min(zero, share(value)), Math.max(zero, share(value))];
  return (
    <span class="score-bar">
      <span class="track" aria-hidden="true">
        <span style={{ left: `${from * 100}%`, width: `${(to - from) * 100}%` }} />
      </span>
      <span class="num">{fixed(value, digits)}</span>
    </span>
  );
}
