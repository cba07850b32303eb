import t from 'tap'
import { InputViews } from '../../lib/wire/input-views.js'

t.test('a view has the requested range, also after the input buffer is overwritten', async (t) => {
  const input = Buffer.alloc(4096)
  const views = new InputViews(input)
  for (let round = 0; round < 3; round++) {
    input.forEach((_, at) => {
      input[at] = (at * 7 + round) & 255
    })
    let wrong = 0
    for (let start = 0; start < 300; start++) {
      for (const length of [0, 1, 17, 64, 1000]) {
        const view = views.of(start, start + length)
        if (!view.equals(input.subarray(start, start + length)) || view.length !== length) wrong++
      }
    }
    t.equal(wrong, 0, `round ${round}`)
  }
})

t.test('returns the same view for the same range', async (t) => {
  const views = new InputViews(Buffer.alloc(100))
  t.equal(views.of(10, 27), views.of(10, 27))
  t.not(views.of(10, 27), views.of(10, 28))
  t.not(views.of(10, 27), views.of(11, 27))
})
