/** Each page says in its body which it is; the program does its part in it. */

import { render } from "preact";
import { Review } from "./item";
import { Queue } from "./queue";

const { page, item = "", queue = "/queue" } = document.body.dataset;
if (page === "item") {
  const root = document.getElementById("review")!;
  root.replaceChildren();
  render(<Review itemId={item} queue={queue} />, root);
} else if (page === "queue") {
  render(<Queue isGrid={!!document.querySelector("#rows.grid")} />, document.getElementById("acts")!);
}
