package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The charts are drawn in these colours, which stand for the page's own: themed puts the
// page's variables in their places, so that one drawing serves light and dark.
var (
	ink   = color.RGBA{1, 2, 3, 255}
	faint = color.RGBA{4, 5, 6, 255}
	first = color.RGBA{7, 8, 9, 255}
	other = color.RGBA{10, 11, 12, 255}
	bad   = color.RGBA{13, 14, 15, 255}

	variables = map[color.RGBA]string{ink: "--ink", faint: "--faint", first: "--first", other: "--second", bad: "--bad"}
)

const chartWidth, chartHeight, marginRight = vg.Length(420), vg.Length(230), vg.Length(12) // points

func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	p.X.Label.Text, p.Y.Label.Text = x, y
	p.Legend.Top, p.Legend.TextStyle.Color, p.Legend.TextStyle.Font.Size = true, ink, 10
	p.Legend.ThumbnailWidth, p.Legend.Padding = 14, 3
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color, axis.Tick.Color = faint, faint
		axis.Label.TextStyle.Color, axis.Tick.Label.Color = ink, ink
		axis.Label.TextStyle.Font.Size, axis.Tick.Label.Font.Size = 10, 10
		axis.Label.Padding = 3
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Horizontal.Width = faint, 0.4
	grid.Vertical.Width = 0
	p.Add(grid)
	p.Y.Tick.Marker = plainTicks{}
	return p
}

// plainTicks are gonum's, without zeros behind the point.
type plainTicks struct{ plot.DefaultTicks }

func (t plainTicks) Ticks(low, high float64) []plot.Tick {
	ticks := t.DefaultTicks.Ticks(low, high)
	for i, tick := range ticks {
		if !tick.IsMinor() {
			ticks[i].Label = fmt.Sprintf("%.4g", tick.Value)
		}
	}
	return ticks
}

// logTicks labels 1, 2 and 5 of each decade: gonum's own label only powers of ten, of which a
// chart of latencies often has one. A wide range gets fewer labels.
type logTicks struct{}

func (logTicks) Ticks(low, high float64) []plot.Tick {
	multiples := []float64{1, 2, 5}
	switch decades := math.Log10(high / low); {
	case decades > 3:
		multiples = []float64{1}
	case decades < 0.7:
		multiples = []float64{1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9}
	}
	var ticks []plot.Tick
	for decade := math.Floor(math.Log10(low)); decade <= math.Log10(high); decade++ {
		for _, m := range multiples {
			if v := m * math.Pow(10, decade); v >= low*0.999 && v <= high*1.001 {
				ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%.4g", v)})
			}
		}
	}
	return ticks
}

// logScale sets the axis to hold all the values, which must be above 0: gonum's own widening of
// a range of one value reaches below 0, which a logarithm cannot show.
func logScale(a *plot.Axis, values []float64) {
	a.Scale, a.Tick.Marker = plot.LogScale{}, logTicks{}
	a.Min, a.Max = slices.Min(values)/1.15, slices.Max(values)*1.15
}

func line(points plotter.XYs, c color.Color, dashed bool) (*plotter.Line, error) {
	l, err := plotter.NewLine(points)
	if err != nil {
		return nil, err
	}
	l.Color, l.Width = c, 1.6
	if dashed {
		l.Dashes, l.Width = []vg.Length{4, 3}, 1
	}
	return l, nil
}

// latencyChart draws how many answers took how long, a line for each server.
func latencyChart(results []result) (template.HTML, error) {
	p := newPlot("latency, ms", "% of answers")
	var edges []float64
	for k, r := range results {
		all := 0
		for _, b := range r.Distribution {
			all += b.Count
		}
		var points plotter.XYs
		for _, b := range r.Distribution {
			share := 100 * float64(b.Count) / float64(all)
			points = append(points, plotter.XY{X: b.From, Y: share}, plotter.XY{X: b.To, Y: share})
			edges = append(edges, b.From, b.To)
		}
		if len(points) == 0 {
			continue
		}
		l, err := line(points, sideColor(k), false)
		if err != nil {
			return "", err
		}
		if len(results) == 1 {
			l.FillColor = first
		}
		p.Add(l)
		lowest := r.Distribution[0].From
		if err := errors.Join(mark(p, max(r.Latency.P50, lowest), "p50", sideColor(k)), mark(p, max(r.Latency.P99, lowest), "p99", sideColor(k))); err != nil {
			return "", err
		}
	}
	logScale(&p.X, edges)
	p.Y.Min = 0
	p.Y.Max *= 1.15
	return svg(p)
}

// mark draws a vertical line with its name at the top.
func mark(p *plot.Plot, x float64, name string, c color.Color) error {
	l, err := line(plotter.XYs{{X: x, Y: 0}, {X: x, Y: p.Y.Max * 1.06}}, c, true)
	if err != nil {
		return err
	}
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: x, Y: p.Y.Max * 1.07}}, Labels: []string{name}})
	if err != nil {
		return err
	}
	labels.TextStyle[0].Color, labels.TextStyle[0].Font.Size = ink, 9
	labels.TextStyle[0].XAlign = draw.XCenter
	p.Add(l, labels)
	return nil
}

// rampChart draws latency against what was answered, rate by rate.
func rampChart(results []result) (template.HTML, error) {
	p := newPlot("answered, requests/s", "latency, ms")
	var latencies []float64
	for k, r := range results {
		if r.Ramp == nil {
			continue
		}
		for _, f := range []struct {
			name   string
			of     func(latency) float64
			dashed bool
		}{{"p99", func(l latency) float64 { return l.P99 }, false}, {"p50", func(l latency) float64 { return l.P50 }, true}} {
			held, broken := rampPoints(r.Ramp.Steps, f.of)
			for _, point := range slices.Concat(held, broken) {
				latencies = append(latencies, point.Y)
			}
			if err := rampLine(p, held, f.dashed, k, f.name); err != nil {
				return "", err
			}
			if err := dots(p, broken, bad); err != nil {
				return "", err
			}
		}
	}
	if len(latencies) == 0 {
		return "", nil
	}
	logScale(&p.Y, latencies)
	p.X.Min, p.X.Max = 0, p.X.Max*1.04
	p.Legend.Left = true
	return svg(p)
}

func rampLine(p *plot.Plot, held plotter.XYs, dashed bool, side int, name string) error {
	if len(held) == 0 {
		return nil
	}
	l, err := line(held, sideColor(side), dashed)
	if err != nil {
		return err
	}
	p.Add(l)
	if side == 0 {
		p.Legend.Add(name, l) // the page itself tells the servers apart
	}
	return dots(p, held, sideColor(side))
}

// rampPoints returns the steps that held, by rate, and those that did not; a latency of
// nothing answered is left out.
func rampPoints(steps []step, of func(latency) float64) (held, broken plotter.XYs) {
	byRate := slices.SortedFunc(slices.Values(steps), func(a, b step) int { return cmp.Compare(a.Offered, b.Offered) })
	for _, s := range byRate {
		point := plotter.XY{X: s.Throughput.Requests, Y: of(s.Latency)}
		switch {
		case point.Y <= 0:
		case s.Held:
			held = append(held, point)
		default:
			broken = append(broken, point)
		}
	}
	return held, broken
}

func dots(p *plot.Plot, points plotter.XYs, c color.Color) error {
	if len(points) == 0 {
		return nil
	}
	s, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	s.GlyphStyle = draw.GlyphStyle{Color: c, Radius: 2.6, Shape: draw.CircleGlyph{}}
	p.Add(s)
	return nil
}

// batchChart draws which share of the batches had how many items.
func batchChart(results []result) (template.HTML, error) {
	p := newPlot("items in a batch", "% of batches")
	var names []string
	for k, r := range results {
		if r.ServerSide == nil {
			continue
		}
		shares, bounds := shareOf(r.ServerSide)
		if len(bounds) > len(names) {
			names = bounds
		}
		bars, err := plotter.NewBarChart(shares, vg.Points(22/float64(len(results))))
		if err != nil {
			return "", err
		}
		bars.Color, bars.LineStyle.Width = sideColor(k), 0
		if len(results) > 1 {
			bars.Offset = vg.Points(12 * (float64(k) - 0.5))
		}
		p.Add(bars)
	}
	p.NominalX(names...)
	p.X.Tick.Label.Color, p.X.Tick.Width = ink, 0
	p.X.Color = faint
	p.X.Min, p.X.Max = -0.6, float64(len(names))-0.4
	p.Y.Min, p.Y.Max = 0, p.Y.Max*1.08
	return svg(p)
}

// shareOf leaves out the empty buckets at the end.
func shareOf(s *serverSide) (shares plotter.Values, names []string) {
	last := 0
	for k, b := range s.BatchItems {
		if b.Count > 0 {
			last = k
		}
	}
	from := 1.0
	for _, b := range s.BatchItems[:last+1] {
		shares = append(shares, 100*float64(b.Count)/float64(s.Batches))
		switch {
		case b.UpTo < 0:
			names = append(names, fmt.Sprintf("%g+", from))
		case b.UpTo <= from:
			names = append(names, fmt.Sprintf("%g", b.UpTo))
		default:
			names = append(names, fmt.Sprintf("%g–%g", from, b.UpTo))
		}
		from = b.UpTo + 1
	}
	return shares, names
}

// memoryChart draws the server's memory over the requests of a soak.
func memoryChart(s *soak) (template.HTML, error) {
	p := newPlot("requests, thousands", "resident, MiB")
	var points plotter.XYs
	for _, m := range s.Samples {
		points = append(points, plotter.XY{X: float64(m.Requests) / 1000, Y: float64(m.Resident) / (1 << 20)})
	}
	l, err := line(points, first, false)
	if err != nil {
		return "", err
	}
	p.Add(l)
	p.Y.Min, p.Y.Max = 0, p.Y.Max*1.1
	return svg(p)
}

func sideColor(k int) color.Color {
	if k == 0 {
		return first
	}
	return other
}

var (
	svgSize   = regexp.MustCompile(`width="[0-9.]+pt" height="[0-9.]+pt"`)
	svgFont   = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;font-weight:[^;"]*;font-style:[^;"]*;?`)
	svgProlog = regexp.MustCompile(`(?s)^.*?<svg`)
)

// svg draws the plot for the page: it takes the page's width, fonts and colours.
func svg(p *plot.Plot) (template.HTML, error) {
	canvas := vgsvg.New(chartWidth, chartHeight)
	// The last label of an axis reaches beyond its end.
	p.Draw(draw.Crop(draw.New(canvas), 0, -marginRight, 0, 0))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", err
	}
	text := svgProlog.ReplaceAllString(b.String(), "<svg")
	text = svgSize.ReplaceAllString(text, `role="img"`)
	text = svgFont.ReplaceAllString(text, "")
	return template.HTML(themed(text)), nil //nolint:gosec // drawn from numbers and constant words
}

func themed(text string) string {
	for c, name := range variables {
		text = strings.ReplaceAll(text, fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B), "var("+name+")")
	}
	return text
}
