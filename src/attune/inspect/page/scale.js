// Colours: even steps of lightness in OKLab (Ottosson 2020), so that equal differences of weight look equally large. On a
// dark ground the scale runs from dark to light.

const darkness = window.matchMedia("(prefers-color-scheme: dark)");

function oklab(lightness, chroma, degrees) {
  const hue = (degrees * Math.PI) / 180;
  const a = chroma * Math.cos(hue), b = chroma * Math.sin(hue);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const byte = (linear) => {
    const x = Math.min(1, Math.max(0, linear));
    return Math.round(255 * (x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055));
  };
  return `rgb(${byte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s)} ${byte(
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s)} ${byte(
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s)})`;
}

function makeScale(dark, negative) {
  return Array.from({ length: 256 }, (_, i) => {
    const t = i / 255;
    const chroma = 0.004 + 0.14 * Math.sin(0.86 * Math.PI * t ** 0.8) * (1 - 0.2 * t);
    const hue = negative ? (dark ? 25 + 45 * t : 70 - 45 * t) : dark ? 295 - 165 * t : 130 + 165 * t;
    return dark ? oklab(0.2 + 0.75 * t, 0.008 + chroma, hue) : oklab(0.985 - 0.735 * t, chroma, hue);
  });
}
// [of weights from 0 up, of those from 0 down]
const scales = { light: [makeScale(false), makeScale(false, true)], dark: [makeScale(true), makeScale(true, true)] };
const colourOf = (share) => scales[darkness.matches ? "dark" : "light"][share < 0 ? 1 : 0][Math.round(255 * Math.min(1, Math.abs(share)))];

const cssColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Diagonal lines over a rectangle of a canvas.
function hatch(pen, x, y, width, height, step) {
  pen.save();
  pen.beginPath();
  pen.rect(x, y, width, height);
  pen.clip();
  pen.beginPath();
  // Lines of the whole canvas, so that those of neighbouring cells meet.
  for (let d = Math.floor((x + y) / step) * step; d <= x + y + width + height; d += step) {
    pen.moveTo(d - y, y);
    pen.lineTo(d - y - height, y + height);
  }
  pen.strokeStyle = cssColour("--hatch");
  pen.lineWidth = Math.max(1, step / 6);
  pen.stroke();
  pen.restore();
}

function dot(pen, x, y, cell) {
  pen.fillStyle = cssColour("--hatch");
  const size = Math.max(1, cell / 6);
  pen.fillRect(x + (cell - size) / 2, y + (cell - size) / 2, size, size);
}

// One map on a canvas, `cell` of its pixels a weight; colours from 0 to `most`.
function drawCells(canvas, view, cell, most, step) {
  canvas.width = Math.max(1, view.keys.length * cell);
  canvas.height = Math.max(1, view.queries.length * cell);
  const pen = canvas.getContext("2d");
  pen.fillStyle = cssColour("--card");
  pen.fillRect(0, 0, canvas.width, canvas.height);
  view.rows.forEach((row, i) => {
    for (let j = 0; j < row.length; ++j) {
      if (typeof row[j] === "number") {
        pen.fillStyle = colourOf(row[j] / (most || 1));
        pen.fillRect(j * cell, i * cell, cell, cell);
      } else if (row[j] === undefined) {
        dot(pen, j * cell, i * cell, cell);
      }
    }
    for (let j = 0; j < row.length; ++j) {
      let end = j;
      while (end < row.length && row[end] === null) ++end;
      if (end > j) hatch(pen, j * cell, i * cell, (end - j) * cell, cell, step);
      j = Math.max(j, end);
    }
  });
}
