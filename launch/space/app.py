"""A page for a Hugging Face Space, or for `python app.py`: a photograph in, and the same in colour beside it."""

from pathlib import Path

import gradio as gr
from PIL.Image import Image

import jaxcolor
from jaxcolor import compilation_cache
from jaxcolor.errors import UserError

EXAMPLES = sorted(Path(jaxcolor.__file__).parent.glob('server/page/examples/*.jpg'))

compilation_cache.use()
colorizer = jaxcolor.Colorizer()


def colorize(photograph: str | None, vividness: float, saturation: float) -> tuple[Image, Image]:
    """Return a photograph without colours, as the network sees it, and with those that the network gives it."""
    if photograph is None:
        raise gr.Error('There is no photograph; choose one', print_exception=False)
    try:
        return colorizer(photograph, saturation=0.0), colorizer(photograph, saturation=saturation, vividness=vividness)
    except UserError as error:
        message = str(error).replace(photograph, Path(photograph).name)
        raise gr.Error(message, print_exception=False) from error


photographs = gr.Image(sources=['upload', 'clipboard'], label='Photograph')
# The file as it is: jaxcolor reads more kinds than Gradio, turns them upright, and says what is wrong with them.
photographs.preprocess = lambda file: file and file.path

demo = gr.Interface(
    colorize,
    inputs=[
        photographs,
        gr.Slider(0, 0.6, colorizer.space.vividness, step=0.05, label='Vividness', info='0 is calm, 0.4 is bold'),
        gr.Slider(0, 2, 1, step=0.05, label='Saturation', info='0 is grey'),
    ],
    outputs=gr.ImageSlider(format='png', label='Before and after'),
    examples=[[str(path)] for path in EXAMPLES],
    cache_examples=False,
    title='Colour a photograph',
    description='Photographs are kept for an hour at most. The colours are guesses: plausible, not what was there.',
    submit_btn='Colour',
    flagging_mode='never',
    analytics_enabled=False,  # nothing is sent to anybody
    delete_cache=(600, 3600),  # seconds
    api_name='colorize',
)

if __name__ == '__main__':
    demo.launch(max_file_size='100mb')
