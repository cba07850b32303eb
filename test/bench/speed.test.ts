import { readFileSync } from 'node:fs'
import t from 'tap'
import { figuresOf, speedPicture } from '../../bench/report/speed.js'

const fileOf = (name: string) => readFileSync(new URL(`../../../bench/${name}`, import.meta.url), 'utf8')

t.test('speed.svg matches the tables of the README', async (t) => {
  const figures = figuresOf(fileOf('README.md'), '26')
  t.ok(figures.length >= 9)
  const picture = speedPicture(figures, 'Node 26; percentage of the raw socket baseline after each figure')
  t.equal(fileOf('speed.svg'), picture, 'run make picture to fix it')
})

t.test('reads the rows of a table in which more is better', async (t) => {
  const readme = `## Node 20

| workload | sluice | undici | undici, \`blocking: false\` | best other | raw socket baseline | to undici |
| --- | --: | --: | --: | --: | --: | --: |
| json, pipelining 1 (requests/s) | 70 880 | 43 130 | – | 18 310 (node:http) | 112 730 | 1.64× |
| latency: p99 in µs at 24 800/s | 40 206 | 309 068 | – | – | 7 995 | 0.13× |

## Node 26
`
  const bars = [
    { name: 'sluice', value: 70_880 },
    { name: 'undici', value: 43_130 },
    { name: 'node:http', value: 18_310 },
  ]
  const figures = figuresOf(readme, '20')
  t.strictSame(figures, [{ title: 'json, pipelining 1', unit: 'requests/s', bars, baseline: 112_730 }])
  t.strictSame(figuresOf(readme, '26'), [])
  const picture = speedPicture(figures, 'a & b')
  t.match(picture, '>70 880 requests/s, 63 %</text>')
  t.match(picture, 'a &amp; b')
  t.notMatch(picture, 'undefined')
})
