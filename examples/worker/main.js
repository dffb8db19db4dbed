const [button, bar, output, link] = document.querySelectorAll('button, progress, output, a')
const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })

worker.addEventListener('message', ({ data: { share, map, text } }) => {
  if (share !== undefined) bar.value = share
  if (text !== undefined) output.value = text
  if (!map) return
  link.href = URL.createObjectURL(new Blob([map]))
  link.hidden = false
})
button.addEventListener('click', () => {
  worker.postMessage({ scan: 'scan.nii.gz', network: 'network.safetensors', method: 'ig:steps=16', target: 'AD' })
})
