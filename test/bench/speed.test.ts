import { readFileSync } from 'node:fs'
import t from 'tap'
import { figuresOf, speedPicture } from '../../bench/report/speed.js'

const fileOf = (name: string) => readFileSync(new URL(`../../../bench/${name}`, import.meta.url), 'utf8')

t.test('the picture shows what the tables say', async (t) => {
  const figures = figuresOf(fileOf('README.md'), '26')
  t.ok(figures.length >= 9)
  const picture = speedPicture(figures, 'Node 26; the share of the floor behind each figure')
  t.equal(fileOf('speed.svg'), picture, 'make picture mends it')
})

t.test('a table is read as it stands', async (t) => {
  const readme = `## Node 20

| workload | sluice | undici | undici, \`blocking: false\` | best other | floor | to undici |
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
  t.strictSame(figures, [{ title: 'json, pipelining 1', unit: 'requests/s', bars, floor: 112_730 }])
  t.strictSame(figuresOf(readme, '26'), [])
  const picture = speedPicture(figures, 'a & b')
  t.match(picture, '>70 880 requests/s, 63 %</text>')
  t.match(picture, 'a &amp; b')
  t.notMatch(picture, 'undefined')
})
