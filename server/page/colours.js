/* colours.js - a colour for each name, the same in words and boxes: Okabe and Ito's, which
 * people with colour blindness can tell apart, and one more. */

const colours = [
  { fill: "#e69f00", ink: "#000000" },
  { fill: "#56b4e9", ink: "#000000" },
  { fill: "#009e73", ink: "#000000" },
  { fill: "#cc79a7", ink: "#000000" },
  { fill: "#0072b2", ink: "#ffffff" },
  { fill: "#d55e00", ink: "#000000" },
  { fill: "#f0e442", ink: "#000000" },
  { fill: "#7a5ac8", ink: "#ffffff" },
];

const known = new Map();

/* A new name gets the colour that the names `beside` it have least. */
export function colourOf(label, beside = []) {
  const name = label.toLowerCase();
  if (!known.has(name)) {
    const uses = colours.map(() => 0);
    for (const other of new Set(beside.map((text) => text.toLowerCase())))
      if (known.has(other)) uses[known.get(other)]++;
    known.set(name, uses.indexOf(Math.min(...uses)));
  }
  return colours[known.get(name)];
}

export function paint(node, label, beside) {
  const { fill, ink } = colourOf(label, beside);
  node.style.setProperty("--fill", fill);
  node.style.setProperty("--ink", ink);
}
