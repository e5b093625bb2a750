// Sends the text to /redact with the visitor's key and shows the findings. All values are set as text, never as markup.
"use strict";

const element = (id) => document.getElementById(id);

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = element("text").value;
  element("status").textContent = "Searching…";
  element("answer").hidden = true;
  try {
    const reply = await fetch("../redact", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${element("key").value}` },
      body: JSON.stringify({ text }),
    });
    const answer = await reply.json();
    if (!reply.ok) throw new Error(answer.detail || reply.statusText);
    show(text, answer);
    element("status").textContent = `${answer.findings.length} findings`;
  } catch (error) {
    element("status").textContent = `The request failed: ${error.message}`;
  }
});

function show(text, answer) {
  // Offsets count code points; JavaScript string indices count UTF-16 units.
  const characters = Array.from(text);
  const pieces = [];
  let position = 0;
  for (const found of answer.findings) {
    pieces.push(characters.slice(position, found.start).join(""));
    const mark = document.createElement("mark");
    const kind = document.createElement("small");
    kind.textContent = found.entity;
    mark.append(characters.slice(found.start, found.end).join(""), kind);
    pieces.push(mark);
    position = found.end;
  }
  pieces.push(characters.slice(position).join(""));
  element("marked").replaceChildren(...pieces);
  element("redacted").textContent = answer.text;
  element("rows").replaceChildren(...rows(answer.findings));
  element("answer").hidden = false;
}

function rows(findings) {
  const kinds = new Map();
  for (const { entity, score } of findings) {
    const [count, least] = kinds.get(entity) || [0, 1];
    kinds.set(entity, [count + 1, Math.min(least, score)]);
  }
  return [...kinds].map(([entity, [count, least]]) => {
    const row = document.createElement("tr");
    for (const value of [entity, count, least.toFixed(2)]) {
      const cell = document.createElement("td");
      cell.textContent = value;
      row.append(cell);
    }
    return row;
  });
}
