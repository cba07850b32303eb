import t from 'tap'
import { WindowViews } from '../../lib/wire/window-views.js'

t.test('a view shows the asked part, now and when the window is written to again', async (t) => {
  const window = Buffer.alloc(4096)
  const views = new WindowViews(window)
  for (let round = 0; round < 3; round++) {
    window.forEach((_, at) => {
      window[at] = (at * 7 + round) & 255
    })
    let wrong = 0
    for (let start = 0; start < 300; start++) {
      for (const length of [0, 1, 17, 64, 1000]) {
        const view = views.of(start, start + length)
        if (!view.equals(window.subarray(start, start + length)) || view.length !== length) wrong++
      }
    }
    t.equal(wrong, 0, `round ${round}`)
  }
})

t.test('the same part asked for again is the same view', async (t) => {
  const views = new WindowViews(Buffer.alloc(100))
  t.equal(views.of(10, 27), views.of(10, 27))
  t.not(views.of(10, 27), views.of(10, 28))
  t.not(views.of(10, 27), views.of(11, 27))
})
