// Hover over a chart: the values at the nearest step. A click on a heading sorts its table. Without scripts all stays readable.
for (const svg of document.querySelectorAll("svg.chart")) {
  const lines = JSON.parse(svg.dataset.lines), names = JSON.parse(svg.dataset.names);
  const reading = svg.parentElement.querySelector(".reading");
  const marks = lines.map((_, index) => {
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    mark.setAttribute("class", `dot line-${index % 6}`);
    mark.setAttribute("r", "4");
    mark.setAttribute("visibility", "hidden");
    return svg.appendChild(mark);
  });
  const show = (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    const nearest = lines.map((points) => points.reduce((best, point) => Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best));
    nearest.forEach((point, index) => {
      marks[index].setAttribute("cx", point[0]);
      marks[index].setAttribute("cy", point[1]);
      marks[index].setAttribute("visibility", "visible");
    });
    reading.textContent = nearest.map((point, index) => `${lines.length > 1 ? names[index] + " " : ""}${point[3]} at ${point[2]}`).join(" · ");
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", () => {
    marks.forEach((mark) => mark.setAttribute("visibility", "hidden"));
    reading.textContent = "\u00a0";
  });
}
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0], key = (row, column) => {
    const text = row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const number = parseFloat(text.replaceAll(",", "").replace("−", "-"));
    return Number.isNaN(number) ? text : number;
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const order = (one, other) => {
        const [a, b] = [key(one, column), key(other, column)];
        const found = typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
        return down ? -found : found;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}
