/** What the models say: verdict, probabilities, and the reasoning with its cited seconds as links. */

import { Unseen } from "./hotkeys";
import { anyEvent, Said } from "./labels";
import type { EventClass, ModelAnswer, MomentLabel, Piece, ReviewItem } from "./records";
import { clock, pieces } from "./times";

const LIT_S = 0.5;

interface Props {
  answer: ModelAnswer;
  classes: EventClass[];
  now_s: number;
  seek: (time_s: number) => void;
}

interface CitedProps {
  pieces: Piece[];
  now_s: number;
  seek: (time_s: number) => void;
  /** What stands on a citation; its own words by default. */
  words?: (time_s: number) => string;
}

/** What a model wrote, as text; a citation is a button that seeks, and lights up while its second plays. */
export function CitedText({ pieces, now_s, seek, words }: CitedProps) {
  return (
    <p class="trace">
      {pieces.map(({ text, time_s, is_outside }, place) =>
        time_s === null ? (
          text
        ) : is_outside ? (
          <span key={place} class="outside" title="The clip has no such second.">
            {text}
            <Unseen text=" (outside the clip)" />
          </span>
        ) : (
          <button
            key={place}
            type="button"
            class={Math.abs(now_s - time_s) <= LIT_S ? "cite lit" : "cite"}
            aria-label={`${words ? "" : `${text}: `}Go to ${clock(time_s)}, which the text cites`}
            onClick={() => seek(time_s)}
          >
            {words ? words(time_s) : text}
          </button>
        ),
      )}
    </p>
  );
}

/** One model's answer. Its parts are rows that the cards beside it share, so that the same stands at the same height. */
function Answer(props: Props & { letter: string; label: MomentLabel | null }) {
  const { answer, classes, letter, label, now_s, seek } = props;
  const p = answer.calibrated_probability;
  const chance = anyEvent(classes, answer.probabilities);
  const nameOf = (name: string | null) => classes.find((each) => each.name === name)?.label;
  const other = nameOf(answer.reasoning_class);
  return (
    <section class="answer-card" aria-label={answer.model}>
      <h3>
        {letter && <span class="tag">{letter}</span>} {answer.model}
      </h3>
      <p class="said">
        {answer.label ? <Said classes={classes} label={answer.label} /> : <span>no answer</span>}
        {chance !== null && <span class="num faint">event {chance.toFixed(2)}</span>}
        {label &&
          (answer.label?.event_class === label.event_class ? (
            <span class="good">✓ as the ground truth</span>
          ) : (
            <span class="bad">✗ the ground truth is {nameOf(label.event_class)}</span>
          ))}
      </p>
      <div>
        {Object.keys(answer.probabilities).length > 0 && (
          <dl class="chances">
            {classes.map((each, place) => {
              const value = answer.probabilities[each.name];
              if (value === undefined) return null;
              return (
                <div key={each.name}>
                  <dt>{each.label}</dt>
                  <dd>
                    <meter class={`class-${place}`} min={0} max={1} value={value} aria-label={each.label} />
                    <span class="num">{value.toFixed(2)}</span>
                  </dd>
                </div>
              );
            })}
          </dl>
        )}
        {p !== null && <p class="faint">Calibrated probability of an event: {p.toFixed(2)}</p>}
      </div>
      <div>
        {answer.contradicts && (
          <p class="notes warning">
            The model contradicts itself{other ? `: its reasoning comes to ${other}` : ""}.
          </p>
        )}
        {answer.reason && <p class="notes warning">It gave no answer: {answer.reason}</p>}
        {answer.reasoning ? (
          <CitedText pieces={pieces(answer.reasoning)} now_s={now_s} seek={seek} words={clock} />
        ) : (
          <p class="faint">It gave no reasoning.</p>
        )}
      </div>
    </section>
  );
}

/** How a model is called in short, beside others: A, B, C … */
export const letterOf = (place: number) => String.fromCharCode(65 + place);

interface AnswersProps {
  item: ReviewItem;
  classes: EventClass[];
  hidden: boolean;
  now_s: number;
  seek: (time_s: number) => void;
}

/** What all models say: of several, in columns beside each other. */
export function Answers({ item, classes, hidden, now_s, seek }: AnswersProps) {
  const { answers, label } = item;
  const compares = answers.length > 1;
  const named = new Set(answers.map((each) => each.label?.event_class));
  return (
    <section class="panel answers" aria-labelledby="answers-title">
      <h2 id="answers-title">
        {compares ? "The models’ answers" : "The model’s answer"}
        {compares && !hidden && (
          <span class="tag">{named.size > 1 ? "≠ different classes" : "= the same class"}</span>
        )}
      </h2>
      {hidden ? (
        <p class="faint">Hidden until you have decided.</p>
      ) : (
        <div class="answer-cards">
          {!answers.length && <p class="faint">No model was asked.</p>}
          {answers.map((answer, place) => (
            <Answer
              key={answer.model}
              letter={compares ? letterOf(place) : ""}
              {...{ answer, label, classes, now_s, seek }}
            />
          ))}
        </div>
      )}
    </section>
  );
}
