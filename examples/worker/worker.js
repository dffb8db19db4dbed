import { closeGpu, explain, loadNetwork, openGpu, readVolume, writeVolume } from 'voxplain'

const download = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer())

self.addEventListener('message', async ({ data: { scan, network, method, target } }) => {
  try {
    const [volume, weights] = await Promise.all([scan, network].map(download))
    const gpu = await openGpu()
    const options = { method, target, onProgress: (share) => postMessage({ share }) }
    const { maps, attributions } = await explain(gpu, loadNetwork(weights), [readVolume(volume)], options)
    closeGpu(gpu)
    const { probabilities, target: index } = attributions[0]
    postMessage({ map: writeVolume(maps[0]), text: `P(${target}) = ${probabilities[index].toFixed(4)}` })
  } catch (error) {
    postMessage({ text: error.message })
  }
})
