/** What the models say: verdict, probabilities, and the reasoning with its cited seconds as links. */

import { Badge } from "./labels";
import type { EventClass, ModelAnswer } from "./records";
import { clock, pieces } from "./times";

const LIT_S = 0.5;

interface Props {
  answer: ModelAnswer;
  classes: EventClass[];
  now_s: number;
  seek: (time_s: number) => void;
}

/** The text of a model, as text; a citation is a button that seeks, and lights up while its second plays. */
function Trace({ answer, now_s, seek }: Props) {
  return (
    <p class="trace">
      {pieces(answer.reasoning).map(({ text, time_s }, place) =>
        time_s === null ? (
          text
        ) : (
          <button
            key={place}
            type="button"
            class={Math.abs(now_s - time_s) <= LIT_S ? "cite lit" : "cite"}
            aria-label={`Go to ${clock(time_s)}, which the model cites`}
            onClick={() => seek(time_s)}
          >
            {clock(time_s)}
          </button>
        ),
      )}
    </p>
  );
}

export function Answer(props: Props) {
  const { answer, classes } = props;
  const p = answer.calibrated_probability;
  const other = classes.find((each) => each.name === answer.reasoning_class)?.label;
  return (
    <section class="answer-card">
      <h3>
        {answer.model} {answer.label && <Badge classes={classes} name={answer.label.event_class} />}
      </h3>
      {Object.keys(answer.probabilities).length > 0 && (
        <dl class="chances">
          {classes.map((each, place) => {
            const chance = answer.probabilities[each.name];
            if (chance === undefined) return null;
            return (
              <div key={each.name}>
                <dt>{each.label}</dt>
                <dd>
                  <meter class={`class-${place}`} min={0} max={1} value={chance} aria-label={each.label} />
                  <span class="num">{chance.toFixed(2)}</span>
                </dd>
              </div>
            );
          })}
        </dl>
      )}
      {p !== null && <p class="faint">Calibrated probability of an event: {p.toFixed(2)}</p>}
      {answer.contradicts && (
        <p class="notes warning">
          The model contradicts itself{other ? `: its reasoning comes to ${other}` : ""}.
        </p>
      )}
      {answer.reason && <p class="notes warning">It gave no answer: {answer.reason}</p>}
      {answer.reasoning ? <Trace {...props} /> : <p class="faint">It gave no reasoning.</p>}
    </section>
  );
}
